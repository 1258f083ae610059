"""Activities: the functions that users write, found by name, called with typed arguments.

An activity is an ordinary function, sync or async. With one parameter it gets the whole value of
``with``; with several, ``with`` is a map of their names; a parameter called ``ctx`` is its context.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints, overload

import msgspec

from perdure.engine.errors import UserError
from perdure.engine.manifest import manifest_of
from perdure.engine.payload import BadPayload, to_json

if TYPE_CHECKING:
    from perdure.engine.entity_classes import EntityClass

Function = TypeVar("Function", bound=Callable[..., Any])

_MARK = "__perdure_activity__"
ENTITY_MARK = "__perdure_entity__"
"""The attribute of a class that is an entity, with its type."""


class ActivityError(Exception):
    """An error with a name, data, and a word on whether trying again may help.

    ``type`` is the name that ``catch`` and ``retry`` see, the class's own name by default.
    """

    def __init__(
        self, message: str = "", *, data: Any = None, type: str | None = None, retryable: bool = True
    ) -> None:
        super().__init__(message)
        self.data = data
        self.type = type
        self.retryable = retryable


class RetryAfter(ActivityError):
    """Try again after so many seconds, instead of what the retry policy says."""

    def __init__(self, seconds: float, message: str = "", *, data: Any = None) -> None:
        super().__init__(message or f"try again after {seconds:g} s", data=data, type="RetryAfter")
        self.seconds = seconds


class Pending(Exception):
    """The activity will be completed from outside, by whoever has its ``ctx.token()``."""


class ActivityCanceled(Exception):
    """Nobody waits for this activity any more; its result would be discarded."""


class Context:
    """What an activity may know of its call: the parameter ``ctx``.

    ``idempotency_key`` is the same for every attempt and delivery of the step. ``attempt`` counts from 1.
    ``heartbeat_details`` is what an attempt or delivery before this one has reported last, None for nothing.
    """

    def __init__(
        self,
        instance_id: str,
        path: str,
        idempotency_key: str,
        attempt: int,
        heartbeat_details: Any = None,
        token: Callable[[], str] | None = None,
    ) -> None:
        self.instance_id = instance_id
        self.path = path
        self.idempotency_key = idempotency_key
        self.attempt = attempt
        self.heartbeat_details = heartbeat_details
        self.canceled = False
        """Whether the step was canceled, lost a race, timed out or was silent for too long."""
        self._token = token
        self.begun = False
        self.reports = 0
        self.reported: Any = None

    def token(self) -> str:
        """Completes this activity once it has raised ``Pending``; the same for every delivery."""
        if self._token is None:
            raise RuntimeError("only an activity that a worker runs has a token")
        return self._token()

    def heartbeat(self, details: Any = None) -> None:
        """Say that the work goes on, and how far it is: a JSON value for the attempt that may have to go on.

        None leaves what was said before. ``details`` are kept for calls that have a ``heartbeat``. Raises
        ``ActivityCanceled`` when nobody waits for it any more, and ``TypeError`` for what is no JSON.
        """
        if details is not None:
            try:
                self.reported = to_json(details)
            except BadPayload as error:
                raise TypeError(f"the details of a heartbeat: {error}") from None
        self.reports += 1
        if self.canceled:
            raise ActivityCanceled("nobody waits for this activity any more")


@overload
def activity(name: Function) -> Function: ...


@overload
def activity(name: str | None = None) -> Callable[[Function], Function]: ...


def activity(name: Any = None) -> Any:
    """Register a function as the activity of a name: ``@activity("Name")``, or ``@activity`` for its own.

    Raises ``TypeError`` for what cannot be called with a map of arguments.
    """
    if callable(name):
        return activity()(name)

    def mark(function: Function) -> Function:
        setattr(function, _MARK, name or function.__name__)
        Activity(name or function.__name__, function)
        return function

    return mark


class Activity:
    """A function under its name, with what its signature says. A ``method`` has ``self`` before all else."""

    def __init__(self, name: str, function: Callable[..., Any], *, method: bool = False) -> None:
        self.name = name
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        parameters = dict(list(inspect.signature(function).parameters.items())[method:])
        for parameter in parameters.values():
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError(f"{name}: parameter {parameter.name!r} must be one that has a name")
        self._context = "ctx" in parameters
        self.names = [each for each in parameters if each != "ctx"]
        self.required = {each for each in self.names if parameters[each].default is inspect.Parameter.empty}
        self._types: dict[str, Any] | None = None

    def arguments(self, has_input: bool, value: Any, context: Context) -> dict[str, Any]:
        """Keyword arguments for a call. Raises ``msgspec.ValidationError`` for a value that does not fit.

        What the function gets is its own: it may change it.
        """
        arguments = self._given(has_input, _copied(value))
        missing = self.required - arguments.keys()
        if missing:
            raise msgspec.ValidationError(f"{self.name}: argument {min(missing)!r} is missing")
        types = self._hints()
        for each, given in arguments.items():
            if each in types:
                arguments[each] = self._converted(each, given, types[each])
        if self._context:
            arguments["ctx"] = context
        return arguments

    def misread(self, value: Any) -> str:
        """What to say of a failure where the only parameter got a map that has its name in it."""
        if len(self.names) != 1 or not isinstance(value, dict) or self.names[0] not in value:
            return ""
        return f" ({self.names[0]!r} is the only parameter, so it got the whole map, not just that entry)"

    def _given(self, has_input: bool, value: Any) -> dict[str, Any]:
        if not has_input:
            return {}
        if len(self.names) == 1:
            return {self.names[0]: value}
        if not self.names:
            raise msgspec.ValidationError(f"{self.name} takes no argument, but the step has 'with'")
        if not isinstance(value, dict):
            wanted = ", ".join(self.names)
            raise msgspec.ValidationError(f"{self.name}: 'with' must be a map of {wanted}")
        unknown = value.keys() - set(self.names)
        if unknown:
            raise msgspec.ValidationError(f"{self.name} has no parameter {min(unknown)!r}")
        return dict(value)

    def _hints(self) -> dict[str, Any]:
        if self._types is None:
            hints = get_type_hints(self.function, include_extras=True)
            plain = (Any, object)
            self._types = {each: hints[each] for each in self.names if hints.get(each, Any) not in plain}
        return self._types

    def _converted(self, name: str, value: Any, hint: Any) -> Any:
        try:
            return msgspec.convert(value, hint)
        except msgspec.ValidationError as error:
            raise msgspec.ValidationError(f"{self.name}.{name}: {error}{self.misread(value)}") from error


def _copied(value: Any) -> Any:
    """A JSON value of one's own: the workflow, and others that run its constants, go on with the first."""
    if type(value) is dict:
        return {key: _copied(each) for key, each in value.items()}
    if type(value) is list:
        return [_copied(each) for each in value]
    return value


class Registry:
    """The activities, and the entities in Python, that a process offers."""

    def __init__(self) -> None:
        self._activities: dict[str, Activity] = {}
        self._entities: dict[str, EntityClass] = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of all activities."""
        return frozenset(self._activities)

    @property
    def offered(self) -> frozenset[str]:
        """The names of all tasks that can be run: those of activities, and ``@Type`` of each entity."""
        return self.names | {f"@{name}" for name in self._entities}

    @property
    def entities(self) -> dict[str, EntityClass]:
        """The classes of entities by their types."""
        return dict(self._entities)

    @property
    def signatures(self) -> dict[str, tuple[tuple[str, ...], frozenset[str]]]:
        """Of each activity its parameters, without the context, and those that have no default."""
        return {
            name: (tuple(each.names), frozenset(each.required)) for name, each in self._activities.items()
        }

    def manifest(self) -> dict[str, Any]:
        """What each activity takes and gives, as JSON: see ``manifest.manifest_of``."""
        return manifest_of({name: each.function for name, each in self._activities.items()})

    def add(self, name: str, function: Callable[..., Any]) -> None:
        """Offer a function. Raises ``UserError`` when another one has the name."""
        present = self._activities.get(name)
        if present is not None and present.function is not function:
            raise UserError(f"two functions are registered as activity {name!r}")
        self._activities[name] = Activity(name, function)

    def add_entity(self, class_: type) -> None:
        """Offer a class that is marked as an entity. Raises ``UserError`` when another one has the type."""
        # Who has no entities in Python does not pay for the import.
        from perdure.engine.entity_classes import EntityClass, entity_type  # noqa: PLC0415

        name = entity_type(class_)
        if name is None:
            raise UserError(f"{class_.__name__} is no entity: mark it with @perdure.entity")
        present = self._entities.get(name)
        if present is not None and present.class_ is not class_:
            raise UserError(f"two classes are registered as entity {name!r}")
        self._entities[name] = EntityClass(name, class_)

    def add_module(self, module: ModuleType) -> None:
        """Offer every function and class of a module that is marked as an activity or entity."""
        for value in list(vars(module).values()):
            if isinstance(value, type) and ENTITY_MARK in vars(value):
                self.add_entity(value)
                continue
            name = getattr(value, _MARK, None)
            if isinstance(name, str) and callable(value):
                self.add(name, value)

    def __contains__(self, name: object) -> bool:
        """Whether tasks of this name can be run."""
        return name in self._activities or (
            isinstance(name, str) and name[1:] in self._entities and name[0] == "@"
        )

    def entity(self, task_name: str) -> EntityClass | None:
        """The entity whose tasks have this name, ``@Type``."""
        return self._entities.get(task_name[1:])

    def get(self, name: str) -> Activity | None:
        """The activity of a name."""
        return self._activities.get(name)


def load_activities(*modules: str | Path) -> Registry:
    """Import modules, by name or by path of a ``.py`` file, and collect their activities.

    Raises ``UserError`` with the module's own error when one cannot be imported.
    """
    registry = Registry()
    for module in modules:
        registry.add_module(_imported(module))
    return registry


def _imported(module: str | Path) -> ModuleType:
    try:
        if isinstance(module, Path) or module.endswith(".py"):
            return _import_file(Path(module).resolve())
        return importlib.import_module(module)
    except Exception as error:
        raise UserError(
            f"cannot import activities from {str(module)!r}: {type(error).__name__}: {error}{_place(error)}"
        ) from error


def _place(error: Exception) -> str:
    """Where in the user's files it happened: neither in the import machinery nor here."""
    ours, machinery = str(Path(__file__).parent), str(Path(importlib.__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((ours, machinery, "<frozen"))
    ]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def _import_file(path: Path) -> ModuleType:
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem
    present = sys.modules.get(name)
    if present is not None:
        if getattr(present, "__file__", None) == str(path):
            return present
        # Another file of the same name is loaded: this one gets a name of its own.
        name = f"{name}_{abs(hash(str(path))):x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
