"""Statement: what statements do; those that need no name of their own room."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from arpent.evalscript.compile.completion import Completion, Exit
from arpent.evalscript.compile.function import declare_class, hoist
from arpent.evalscript.compile.graph import Node
from arpent.evalscript.compile.listing import plain_names
from arpent.evalscript.compile.machine import Machine
from arpent.evalscript.compile.pattern import assign, bind
from arpent.evalscript.compile.tree import Tree, Unsupported
from arpent.evalscript.compile.values import Record, Scope, Special, Value

_MOST_TURNS = 4096
_Steps = Iterable[Callable[[], Completion]]


def sequence(machine: Machine, steps: _Steps) -> Completion:
    """One step after the other, each under the condition that it is reached."""
    graph, memory = machine.graph, machine.memory
    reached, exits, opened = graph.truth(True), [], []
    for step in steps:
        done = step()
        exits += [Exit(condition=graph.make("and", reached, one.condition), kind=one.kind, value=one.value)
                  for one in done.exits]  # fmt: skip
        reached = graph.make("and", reached, done.normal)
        truth = memory.truth(done.normal)
        if truth is False:
            reached = graph.truth(False)
            break
        if truth is None:
            memory.begin(done.normal, True)
            opened.append(done.normal)
    for condition in reversed(opened):
        memory.close(condition)
    return Completion(normal=reached, exits=tuple(exits))


def normal(machine: Machine) -> Completion:
    """Nothing special."""
    return Completion(normal=machine.graph.truth(True))


def block(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    """`{ … }`, with names of its own."""
    return statements(machine, tree.children, Scope(outer=scope))


def statements(machine: Machine, trees: Sequence[Tree], scope: Scope) -> Completion:
    """Statements of one scope; its functions exist before the first."""
    hoist(machine, trees, scope)
    return sequence(machine, (partial(machine.execute, tree, scope) for tree in trees))


def _expression(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    for child in tree.children:
        machine.evaluate(child, scope)
    return normal(machine)


def _declaration(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    word = tree.words[0]
    for declarator in tree.children:
        value = declarator.fields.get("value")
        if value is None and word == "var":
            continue
        content = Special.UNDEFINED if value is None else machine.evaluate(value, scope)
        if word == "var":
            assign(machine, declarator["name"], content, scope)
        else:
            bind(machine, declarator["name"], content, scope, constant=word == "const")
    return normal(machine)


def _class(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    declare_class(machine, tree, scope)
    return normal(machine)


def _if(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    condition = machine.truthy(machine.evaluate(tree["condition"], scope))
    other = tree.fields.get("alternative")

    def yes() -> Completion:
        return machine.execute(tree["consequence"], scope)

    def no() -> Completion:
        return normal(machine) if other is None else machine.execute(other.children[0], scope)

    return either(machine, condition, yes, no)


def either(
    machine: Machine, condition: Node, yes: Callable[[], Completion], no: Callable[[], Completion]
) -> Completion:
    """One or the other."""
    truth = machine.memory.truth(condition)
    if truth is not None:
        return yes() if truth else no()
    graph = machine.graph
    first, second = machine.memory.fork(condition, yes, no)
    opposite = graph.make("not", condition)
    exits = [
        Exit(condition=graph.make("and", side, one.condition), kind=one.kind, value=one.value)
        for side, done in ((condition, first), (opposite, second))
        for one in done.exits
    ]
    return Completion(normal=graph.choose(condition, first.normal, second.normal), exits=tuple(exits))


def _return(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    value = machine.evaluate(tree.children[0], scope) if tree.children else Special.UNDEFINED
    return _leave(machine, "return", value)


def _leave(machine: Machine, kind: str, value: Value = Special.UNDEFINED) -> Completion:
    leave = Exit(condition=machine.graph.truth(True), kind=kind, value=value)
    return Completion(normal=machine.graph.truth(False), exits=(leave,))


def _jump(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    if tree.children:
        raise Unsupported("a label")
    return _leave(machine, tree.words[0])


def _try(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    """Nothing that can be compiled throws."""
    body = machine.execute(tree["body"], scope)
    if "finalizer" in tree.fields:
        raise Unsupported("finally")
    return body


# ---- loops


def loop(machine: Machine, test: Callable[[], Node], body: Callable[[], Completion]) -> Completion:
    """Repeat while the test holds; each turn under the condition that it is reached."""
    graph, memory = machine.graph, machine.memory
    opened: list[Node] = []
    exits: list[Exit] = []
    reached = graph.truth(True)

    def go_on(condition: Node) -> bool:
        nonlocal reached
        reached = graph.make("and", reached, condition)
        if memory.truth(condition) is None:
            memory.begin(condition, True)
            opened.append(condition)
            return True
        return bool(memory.truth(condition))

    for _ in range(_MOST_TURNS):
        if not go_on(test()):
            break
        done = body()
        exits += [Exit(condition=graph.make("and", reached, one.condition), kind="return", value=one.value)
                  for one in done.exits if one.kind == "return"]  # fmt: skip
        stays = done.normal
        for one in done.exits:
            stays = graph.make("or", stays, one.condition) if one.kind == "continue" else stays
        if not go_on(stays):
            break
    else:
        raise Unsupported("a long loop")
    for condition in reversed(opened):
        memory.close(condition)
    left = graph.truth(False)
    for leave in exits:
        left = graph.make("or", left, leave.condition)
    return Completion(normal=graph.make("not", left), exits=tuple(exits))


def _for(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    inner = Scope(outer=scope)
    initializer, test, increment = (tree.fields.get(name) for name in ("initializer", "condition", "increment"))
    if initializer is not None and initializer.kind in machine.statements:
        machine.execute(initializer, inner)
    elif initializer is not None:
        machine.evaluate(initializer, inner)
    started = False

    def condition() -> Node:
        nonlocal started, inner
        if started:
            inner = _renewed(machine, inner)
            if increment is not None:
                machine.evaluate(increment, inner)
        started = True
        if test is None or test.kind in ("empty_statement", ";"):
            return machine.graph.truth(True)
        expression = test.children[0] if test.kind == "expression_statement" else test
        return machine.truthy(machine.evaluate(expression, inner))

    return loop(machine, condition, lambda: machine.execute(tree["body"], inner))


def _renewed(machine: Machine, scope: Scope) -> Scope:
    """Each turn has variables of its own; closures keep the old ones."""
    new = Scope(outer=scope.outer)
    for name, variable in scope.names.items():
        content: Value = variable.content  # type: ignore[assignment]
        new.names[name] = machine.memory.variable(name, content, variable.constant)
    return new


def _for_of(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    right = machine.evaluate(tree["right"], scope)
    values, array = _turns_of(machine, tree, right)
    turn = -1

    def test() -> Node:
        nonlocal turn
        turn += 1
        if array and machine.items(right) != values:
            raise Unsupported("an array that changes while a loop runs over it")
        return machine.graph.truth(turn < len(values))

    def body() -> Completion:
        inner, kind = Scope(outer=scope), tree.fields.get("kind")
        if kind is None or kind.text == "var":
            assign(machine, tree["left"], values[turn], inner)
        else:
            bind(machine, tree["left"], values[turn], inner, constant=kind.text == "const")
        return machine.execute(tree["body"], inner)

    return loop(machine, test, body)


def _turns_of(machine: Machine, tree: Tree, right: Value) -> tuple[tuple[Value, ...], bool]:
    """What the variable of for … of or for … in will be, and whether these are an array's items."""
    if tree["operator"].text == "of":
        return machine.items(right), True
    if isinstance(machine.memory.resolve(right), Record):
        return tuple(plain_names(machine.properties(right))), False
    return tuple(str(place) for place in range(len(machine.items(right)))), False


def _while(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    def test() -> Node:
        return machine.truthy(machine.evaluate(tree["condition"], scope))

    return loop(machine, test, lambda: machine.execute(tree["body"], scope))


def _do(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    first = True

    def test() -> Node:
        nonlocal first
        if first:
            first = False
            return machine.graph.truth(True)
        return machine.truthy(machine.evaluate(tree["condition"], scope))

    return loop(machine, test, lambda: machine.execute(tree["body"], scope))


# ---- switch


def _switch(machine: Machine, tree: Tree, scope: Scope) -> Completion:
    value = machine.evaluate(tree["value"], scope)
    inner, graph = Scope(outer=scope), machine.graph
    cases = tree["body"].children
    if any(case.kind == "switch_default" for case in cases[:-1]):
        raise Unsupported("default before other cases")
    found, falls = graph.truth(False), graph.truth(False)

    def step(case: Tree) -> Completion:
        nonlocal found, falls
        fresh = graph.make("not", found)
        if case.kind == "switch_case":
            hit = graph.make("and", fresh, machine.identical(value, machine.evaluate(case["value"], inner)))
        else:
            hit = fresh
        found = graph.make("or", found, hit)
        enters = graph.make("or", hit, falls)
        body = case.children[1:] if case.kind == "switch_case" else case.children
        done = either(machine, enters, lambda: statements(machine, body, inner), lambda: normal(machine))
        falls = graph.make("and", enters, done.normal)
        return done

    done = sequence(machine, (partial(step, case) for case in cases))
    after = done.normal
    for one in done.exits:
        after = graph.make("or", after, one.condition) if one.kind == "break" else after
    return Completion(normal=after, exits=tuple(one for one in done.exits if one.kind != "break"))


STATEMENTS: Mapping[str, Callable[[Machine, Tree, Scope], Completion]] = {
    "statement_block": block,
    "expression_statement": _expression,
    "lexical_declaration": _declaration,
    "variable_declaration": _declaration,
    "function_declaration": lambda machine, _tree, _scope: normal(machine),
    "class_declaration": _class,
    "empty_statement": lambda machine, _tree, _scope: normal(machine),
    "if_statement": _if,
    "return_statement": _return,
    "break_statement": _jump,
    "continue_statement": _jump,
    "try_statement": _try,
    "for_statement": _for,
    "for_in_statement": _for_of,
    "while_statement": _while,
    "do_statement": _do,
    "switch_statement": _switch,
}
"""Kind → what it does."""
