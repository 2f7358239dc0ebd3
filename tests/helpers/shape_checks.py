"""The checks of array shapes and types that jaxtyping's import hook puts around every function, made quick.

jaxtyping's own decorator checks arguments twice, binds them to the signature in Python, and compiles its checks anew
for a function that is defined whenever another one runs: more than half of the time of tests of networks. This one
checks the same annotations in the same scopes (a name of an axis has one size in a call), compiles each check once, at
the first call that needs it, checks what looks the same once (types, shapes and numbers; see `look`), and leaves
violations to jaxtyping's decorator to explain.
"""

import functools
import inspect
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from types import FunctionType, NoneType
from typing import Any, TypeVar, get_args, get_type_hints

import jaxtyping
import numpy as np
from torch import Tensor
from torch._C import _is_tracing as is_tracing
from torch.compiler import is_compiling

explained = jaxtyping.jaxtyped
"""jaxtyping's decorator: its errors name the argument, its value, and the sizes of the axes."""


def install(package: str, typechecker: str) -> None:
    """Check a package that is not imported yet: `typechecker` is source text of a decorator of functions."""
    jaxtyping.jaxtyped = jaxtyped
    jaxtyping.install_import_hook(package, typechecker)


def jaxtyped(*, typechecker: Callable[..., Any]) -> Callable[..., Any]:
    """What the hook calls on each function and class, in place of jaxtyping's decorator."""

    def decorate(given: Any) -> Any:
        if isinstance(given, FunctionType):
            return checked(given, typechecker)
        if isinstance(vars(given).get("__init__"), FunctionType) and "__dataclass_fields__" in vars(given):
            given.__init__ = checked(given.__init__, typechecker)
        return given

    return decorate


def checked(function: FunctionType, typechecker: Callable[..., Any]) -> FunctionType:
    """The function with checks of what it is given and what it returns."""
    if not function.__annotations__:
        return function
    made_once: list[Checks] = []

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        # In this order: the compiler knows the first, and never comes to the second.
        if is_compiling() or is_tracing():
            # Sizes are then tensors or symbols, which no annotation allows for.
            return function(*args, **kwargs)
        if not made_once:
            made_once.append(checks_of(function, typechecker))
        checks = made_once[0]
        try:
            given = checks.before(args, kwargs)
        except Exception:
            explained(function, typechecker=typechecker)(*args, **kwargs)
            raise
        result = function(*args, **kwargs)
        try:
            checks.after(given, args, kwargs, result)
        except Exception as error:
            raise jaxtyping.TypeCheckError(f"{function.__module__}.{function.__qualname__}: {error}") from error
        return result

    return call


class Checks:
    """The checks of a function, compiled, and what has passed them.

    Args:
        of_arguments: Takes the same ones; none: nothing to check.
        of_result: Takes the result; none: nothing to check.
        scope: In which the names of axes have one size; none: there are no arrays.
    """

    def __init__(
        self,
        of_arguments: Callable[..., None] | None,
        of_result: Callable[[Any], Any] | None,
        scope: AbstractContextManager[Any] | None,
    ) -> None:
        self.of_arguments = of_arguments
        self.of_result = of_result
        self.scope = scope
        self.passed: set[Hashable] = set()

    def before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
        """Checks the arguments, and says what they look like; None without arrays, where a check is quicker."""
        given = None if self.scope is None else look((len(args), *args, *kwargs, *kwargs.values()))
        if self.of_arguments and (given is None or given not in self.passed):
            with self.scope or nullcontext():
                self.of_arguments(*args, **kwargs)
            if given is not None:
                self.passed.add(given)
        return given

    def after(self, given: Hashable, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Checks the result of arguments that look like `given`."""
        if not self.of_result:
            return
        if self.scope is None:
            self.of_result(result)
            return
        found = None if given is None else look(result)
        if found is not None and (given, found) in self.passed:
            return
        with self.scope:
            if self.of_arguments:
                # What the names of axes stand for.
                self.of_arguments(*args, **kwargs)
            self.of_result(result)
        if found is not None:
            self.passed.add((given, found))


FEW = 16
"""Parts of a container that are looked at one by one."""


def look(value: Any) -> Hashable:
    """What the checks see of a value: two that look the same pass or fail alike. None: there is too much to see.

    Checks look at types, at element types and sizes of arrays, and for literals at numbers and words.
    """
    return way_of(type(value))(value)


@functools.cache
def way_of(kind: type) -> Callable[[Any], Hashable]:
    """How values of a type are looked at."""
    if issubclass(kind, Tensor | np.ndarray):
        return look_at_array
    if issubclass(kind, tuple | list):
        return look_at_parts
    if issubclass(kind, dict):
        return look_at_entries
    if issubclass(kind, int | str | NoneType):
        return look_at_constant
    if issubclass(kind, type):
        return itself
    return nothing if hasattr(kind, "__len__") else type


def look_at_array(value: Tensor | np.ndarray) -> Hashable:
    return type(value), value.dtype, value.shape


def look_at_entries(value: dict[Any, Any]) -> Hashable:
    return look((*value, *value.values()))


def look_at_constant(value: Hashable) -> Hashable:
    return type(value), value


def itself(value: Hashable) -> Hashable:
    return value


def nothing(_: Any) -> None:
    """Too much to see."""


def look_at_parts(value: tuple[Any, ...] | list[Any]) -> Hashable:
    if len(value) > FEW:
        return None
    parts = tuple([look(part) for part in value])
    return None if None in parts else (type(value), parts)


made: dict[tuple[Hashable, ...], Checks] = {}


def checks_of(function: FunctionType, typechecker: Callable[..., Any]) -> Checks:
    """Checks of the arguments, which takes the same ones, and of the result, and the scope of both."""
    key = function.__code__, *function.__annotations__.values()
    if not all(isinstance(part, Hashable) for part in key):
        return new_checks(function, typechecker)
    if key not in made:
        made[key] = new_checks(function, typechecker)
    return made[key]


def new_checks(function: FunctionType, typechecker: Callable[..., Any]) -> Checks:
    hints = get_type_hints(function, include_extras=True)
    # Names of axes need a scope; most functions have no array.
    scope = explained("context") if any(map(has_axes, hints.values())) else None
    of_result = hints.pop("return", Any)
    return Checks(
        typechecker(stub_of(function, hints)) if hints else None,
        None if of_result is Any else typechecker(named(lambda value: value, function, {"return": of_result})),
        scope,
    )


def has_axes(hint: Any) -> bool:
    """Whether an annotation is, or holds, an array whose axes have names."""
    if isinstance(hint, TypeVar):
        return any(map(has_axes, (hint.__bound__, *hint.__constraints__)))
    if isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(has_axes, get_args(hint)))


def stub_of(function: FunctionType, hints: dict[str, Any]) -> FunctionType:
    without = inspect.Parameter.empty
    parameters = [
        parameter.replace(annotation=without, default=without if parameter.default is without else 0)
        for parameter in inspect.signature(function).parameters.values()
    ]
    scope: dict[str, Any] = {}
    exec(f"def stub{inspect.Signature(parameters)}: pass", scope)  # as jaxtyping makes them: checkers read the code
    stub = scope["stub"]
    stub.__defaults__, stub.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return named(stub, function, hints)


def named(stub: Any, function: FunctionType, hints: dict[str, Any]) -> Any:
    stub.__module__, stub.__name__, stub.__qualname__ = function.__module__, function.__name__, function.__qualname__
    stub.__annotations__ = hints
    return stub
