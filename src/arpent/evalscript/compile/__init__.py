"""Compile: traces evaluatePixel once over unknown numbers, and turns it into straight-line LLVM assembly.

This is the public interface; README.md in this folder explains how it works. `compile_script` takes scripts that the
caller has parsed, as `SyntaxTree`. All other modules are private.
"""

from arpent.evalscript.compile.compiler import ScriptAssembly, compile_script
from arpent.evalscript.compile.llvm_assembly import CHECKED, PACKED
from arpent.evalscript.compile.syntax_tree import SyntaxTree, Unsupported

__all__ = ["CHECKED", "PACKED", "ScriptAssembly", "SyntaxTree", "Unsupported", "compile_script"]
