"""The checks of array shapes and types that jaxtyping's import hook puts around every function, made quick.

jaxtyping's own decorator checks arguments twice, binds them to the signature in Python, and compiles its checks anew
for a function that is defined whenever another one runs: more than half of the time of tests of networks. This one
checks the same annotations in the same scopes (a name of an axis has one size in a call), compiles each check once, at
the first call that needs it, and leaves violations to jaxtyping's decorator to explain.
"""

import functools
import inspect
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from types import FunctionType
from typing import Any, TypeVar, get_args, get_type_hints

import jaxtyping
from torch._C import _is_tracing as is_tracing
from torch.compiler import is_compiling

explained = jaxtyping.jaxtyped
"""jaxtyping's decorator: its errors name the argument, its value, and the sizes of the axes."""

Checks = tuple[Callable[..., None] | None, Callable[[Any], Any] | None, AbstractContextManager[Any]]
made: dict[tuple[Hashable, ...], Checks] = {}


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
    checks: list[Any] = []

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        # In this order: the compiler knows the first, and never comes to the second.
        if is_compiling() or is_tracing():
            # Sizes are then tensors or symbols, which no annotation allows for.
            return function(*args, **kwargs)
        if not checks:
            checks.extend(checks_of(function, typechecker))
        of_arguments, of_result, scope = checks
        with scope:
            if of_arguments:
                try:
                    of_arguments(*args, **kwargs)
                except Exception:
                    explained(function, typechecker=typechecker)(*args, **kwargs)
                    raise
            result = function(*args, **kwargs)
            if not of_result:
                return result
            try:
                return of_result(result)
            except Exception as error:
                raise jaxtyping.TypeCheckError(f"{function.__module__}.{function.__qualname__}: {error}") from error

    return call


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
    scope = explained("context") if any(map(has_axes, hints.values())) else nullcontext()
    of_result = hints.pop("return", Any)
    return (
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
