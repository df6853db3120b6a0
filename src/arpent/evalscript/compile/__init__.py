"""Compile: an evalscript's evaluatePixel, traced once over unknown numbers, becomes straight-line LLVM assembly.

This is the front door; README.md beside it explains how it works. `compile_script` compiles; the caller brings the
parser, as a `SyntaxTree`. All other modules are private.
"""

from arpent.evalscript.compile.compiler import ScriptAssembly, compile_script
from arpent.evalscript.compile.llvm_assembly import CHECKED, PACKED
from arpent.evalscript.compile.syntax_tree import SyntaxTree, Unsupported

__all__ = ["CHECKED", "PACKED", "ScriptAssembly", "SyntaxTree", "Unsupported", "compile_script"]
