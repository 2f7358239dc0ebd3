"""The house plan: a module imports from lower floors only, and the commands answer fast."""

import ast
import json
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import recast

PACKAGE = Path(recast.__file__).parent

FLOORS = [
    ["errors", "options", "types", "system"],
    ["data.local_scaling", "data.panel", "data.spec", "data.zone"],
    ["data.sources"],
    ["data.features", "data.joins"],
    ["data.prepare"],
    ["nn.anchors", "nn.least_squares"],
    [
        "nn.fixed_anchors",
        "nn.attention",
        "nn.cells",
        "nn.recurrence",
        "nn.heads",
        "nn.schedules",
        "scoring.metrics",
        "scoring.baselines",
        "scoring.calibration",
        "figures",
        "report.statistics",
        "training.learning_rates",
    ],
    ["nn.models"],
    ["nn.ensemble"],
    ["data", "training"],
    ["runs.configure"],
    ["runs", "testing"],
    ["sweeps"],
    ["report"],
    ["cli"],
]
"""The parts of the house from the ground up; a module belongs to the longest of these names that it begins with."""
FLOOR = {part: floor for floor, parts in enumerate(FLOORS) for part in parts}
LEAF_FLOOR = FLOOR["nn.cells"]
"""Parts on this floor know those below alone, not each other."""


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
every_module = pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name != "__init__.py"])


def imports_of(module: str) -> set[str]:
    """Modules of recast that a module imports, also within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in whole}
    return {name for name in found if name in MODULES}


def part_of(module: str) -> str:
    """The longest name in FLOORS that a module begins with."""
    inside = module.removeprefix("recast.")
    return max((part for part in FLOOR if f"{inside}.".startswith(f"{part}.")), key=len)


def room_of(module: str) -> str:
    return module.split(".")[1]


PLACED = [name for name, path in MODULES.items() if path.name != "__init__.py"]


def test_every_part_has_modules():
    assert {part_of(module) for module in PLACED} == set(FLOOR)


def test_rooms_import_in_one_direction():
    rooms: dict[str, set[str]] = {}
    for module in PLACED:
        others = {room_of(imported) for imported in imports_of(module) - {"recast"}}
        rooms.setdefault(room_of(module), set()).update(others - {room_of(module)})
    try:
        TopologicalSorter(rooms).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_top_of_the_house_is_seen_at_a_glance():
    assert len([path for path in PACKAGE.iterdir() if path.name != "__pycache__"]) <= 16


@every_module
def test_a_module_imports_from_its_own_part_and_from_lower_floors(module):
    part = part_of(module)
    for imported in imports_of(module) - {"recast"}:
        other = part_of(imported)
        if other == part:
            continue
        beside = FLOOR[part] if FLOOR[part] != LEAF_FLOOR else LEAF_FLOOR - 1
        assert FLOOR[other] <= beside, f"{module} imports {imported}"


def test_no_imports_run_in_a_circle():
    try:
        # The front door imports what it offers when that is asked for.
        modules = [module for module in MODULES if module != "recast"]
        TopologicalSorter({module: imports_of(module) - {module, "recast"} for module in modules}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=name_of)
def test_init_files_are_empty_but_for_the_front_door(path):
    assert path.parent == PACKAGE or path.read_text() == ""


def test_every_folder_of_modules_is_a_package():
    assert {path.parent for path in PACKAGE.rglob("*.py")} == {path.parent for path in PACKAGE.rglob("__init__.py")}


HEAVY = ("torch", "lightning", "pandas", "scipy", "matplotlib")


def heavy_modules(statement: str, *arguments: str) -> list[str]:
    program = f"""
import atexit, json, sys
sys.argv = ["recast", *{list(arguments)!r}]
found = lambda: [name for name in {HEAVY!r} if name in sys.modules]
atexit.register(lambda: print("heavy:", json.dumps(found())))
{statement}
"""
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return json.loads(answer.rpartition("heavy: ")[2])


def test_heavy_modules_are_seen():
    assert heavy_modules("import pandas") == ["pandas"]


COMMANDS = ["train", "evaluate", "export", "forecast", "generate", "gradients", "importance", "impute", "options"]


@pytest.mark.parametrize("command", [*COMMANDS, "application"])
def test_commands_are_imported_without_torch(command):
    assert heavy_modules(f"import recast.cli.{command}") == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_shown_without_torch(command):
    assert heavy_modules(f"from recast.cli.{command} import main\nmain()", "--help") == []
