"""Evalscripts declared by hand, and their machine code: no interpreter is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from arpent.adapters.scripts.jit.llvm_kernel import LlvmCompiler
from arpent.adapters.scripts.jit.parser import ScriptParser
from arpent.domain.evalscript import Evalscript, Input, Mosaicking, Output, SampleType
from arpent.evalscript.compile import ScriptAssembly, SyntaxTree, compile_script
from arpent.evalscript.layout import Column, MemoryLayout
from arpent.evalscript.program import prelude


def declared(
    source: str,
    *,
    bands: tuple[str, ...],
    outputs: Mapping[str, int],
    mask_bands: int = 0,
    mosaicking: Mosaicking = Mosaicking.SIMPLE,
) -> Evalscript:
    """What setup() would say; `outputs`: id → bands, without dataMask."""
    return Evalscript(
        source=source,
        inputs=(Input(datasource=None, bands=bands, units=(None,) * len(bands), mosaicking=mosaicking),),
        outputs=tuple(
            Output(
                id=name,
                bands=tuple(f"B{band}" for band in range(count)),
                sample_type=SampleType.FLOAT32,
                mask=0 if mask_bands else None,
            )
            for name, count in outputs.items()
        ),
        mask_bands=mask_bands,
        functions=frozenset({"evaluatePixel"}),
    )


def triple() -> str:
    """The machine that the tests run on."""
    return LlvmCompiler().triple


def assembled(evalscript: Evalscript, column: Column, *, checked: bool = False) -> ScriptAssembly:
    """Compiled for one input, whose bands are all like the column. Raises Unsupported."""
    layout = MemoryLayout(inputs=((column,) * len(evalscript.inputs[0].bands),), width=evalscript.width)
    script = ScriptParser()(evalscript.source)
    return compile_script(
        evalscript, layout, script=script, prelude=_parsed_prelude(), triple=triple(), checked=checked
    )


@cache
def _parsed_prelude() -> SyntaxTree:
    return ScriptParser()(prelude())


def run(assembly: ScriptAssembly, arrays: Sequence[NDArray[np.generic]], rows: int) -> NDArray[np.float64]:
    """Results (rows, N) for columns (rows of the column, N)."""
    columns = [Column(kind=one.dtype.str[1:], rows=one.shape[0], scale=(1.0, 0.0), simple=True) for one in arrays]
    results = np.empty((rows, arrays[0].shape[1]))
    LlvmCompiler().compile(assembly, columns).run(arrays, list(results))
    return results
