"""What a spec may hold; an error names the place, the path and the remedy."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.errors import BadInput
from orchestrator.output.schema import spec
from orchestrator.runner import registry
from orchestrator.spec import document
from orchestrator.spec import load as loading
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.load import Source
from orchestrator.spec.model import Experiment
from orchestrator.spec.problem import SpecProblem
from orchestrator.spec.values import parse_fraction, parse_seconds
from tests.support.configs import SHIPPED
from tests.support.specs import DESIGN

quick = settings(max_examples=60)


W = "workload: {call: m:f}\n"
M = "models: [sequential, threads]\n"


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str | bytes, *overrides: str, name: str = "a.yaml") -> Experiment:
    """Load and plan: some of what is wrong shows only in the whole."""
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    experiment, source = loading.load(Path(name), overrides)
    try:
        plan_experiment(experiment, 2)
    except SpecProblem as problem:
        raise source.failure(problem) from problem
    return experiment


def refusal(text: str | bytes, *overrides: str, name: str = "a.yaml") -> str:
    with pytest.raises(BadInput) as caught:
        load(text, *overrides, name=name)
    return str(caught.value)


# what is read


def test_the_example_of_the_design_page_loads(cwd: Path) -> None:
    experiment = load(DESIGN)
    assert experiment.name == "cpu"
    assert experiment.workload.call == "experiments.cpu:sum_of_squares"
    assert [entry.model for entry in experiment.models] == ["sequential", "event_loop", "threads", "processes"]
    assert experiment.matrix == {"workers": (1, 2), "kwargs.n": (2_000, 20_000)}
    measure = experiment.measure
    assert (measure.precision, measure.tie, measure.max_time, measure.timeout, measure.seed) == (0.02, 0.03, 60, 30, 1)
    assert [(claim.of, claim.min, claim.max) for claim in experiment.expect] == [
        ("threads", None, 1.2),
        ("processes", 1.5, None),
        ("processes", 1.4, None),
    ]


@pytest.mark.parametrize("config", SHIPPED, ids=lambda c: c.name)
def test_a_shipped_config_loads_and_is_named_like_its_file(config: Path) -> None:
    experiment, _ = loading.load(config)
    assert experiment.name == config.stem


def test_a_name_alone_is_a_model(cwd: Path) -> None:
    assert load(W + "models: [threads]\n").models[0].model == "threads"


def test_the_name_is_that_of_the_file_unless_given(cwd: Path) -> None:
    assert load(W + M, name="my-work.yaml").name == "my-work"
    assert load(W + M + "name: other\n").name == "other"


def test_a_file_name_that_is_no_name_is_reported(cwd: Path) -> None:
    assert refusal(W + M, name="my work.yaml") == (
        "my work.yaml:1:1: name: the file's name can't be the experiment's: \"my work\" is not a name; give a `name:`"
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("1ms", 0.001), ("500 ms", 0.5), ("1.5s", 1.5), ("2m", 120), ("2min", 120), ("500h", 1.8e6)]
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(("text", "part"), [("3%", 0.03), ("2.5 %", 0.025), ("0.01%", 0.0001), ("100%", 1.0)])
def test_a_percentage_is_read_as_a_fraction(text: str, part: float) -> None:
    assert parse_fraction(text) == part


def test_a_package_may_be_required_twice_under_conditions(cwd: Path) -> None:
    both = ["numpy<2; python_version<'3.13'", "numpy>=2.1; python_version>='3.13'"]
    assert load(W + M + f"requirements: {both}\n").requirements == tuple(both)


# what is refused

ENTRY_KEYS = (
    "model, label, workers, python, call, async_call, kwargs, initializer, async_initializer, path, env, optional"
)
KEYS = (
    "name, description, findings, workload, tasks, arrivals, objective, models, matrix, left_out, baseline, measure, "
    "limits, requirements, expect"
)
DURATION = "is not a duration from 1ms to 500h; write a number with ms, s, m or h, such as 60s"
PERCENTAGE = "is not a percentage from 0.01% to 100%; write a number with %, such as 3%"
NAME = "is not a name; use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first"
LABEL = "is not a label; use up to 64 letters, digits, spaces and ._()=,+-, a letter or digit first"
PYTHON_NAME = "is not a Python name; use letters, digits and underscores, no digit first"
MAPPING = "expected a mapping of keys to values"
SIZE = "is not a size from 1MiB to 1024TiB; write a number with a unit, such as 2GiB"
REQUIREMENT = "is not a requirement; write a package's name with versions, such as numpy or Pillow>=11"
ITSELF = "with itself; name another in `against`, or leave it out by `where`"
VERSION = 'a version without quotes is a number, and 3.10 the same as 3.1; quote it, such as "3.10"'

REFUSED = {
    # keys
    "unknown key": (W + M + "taks: 3\n", '3:1: taks: unknown key "taks"; did you mean "tasks"?'),
    "unknown key, nothing like it": (W + M + "zzz: 1\n", f'3:1: zzz: unknown key "zzz"; known: {KEYS}'),
    "unknown key of the workload": (
        "workload: {cal: m:f}\n" + M,
        '1:12: workload.cal: unknown key "cal"; did you mean "call"?',
    ),
    "unknown key of measure": (
        W + M + "measure: {max_tim: 3s}\n",
        '3:11: measure.max_tim: unknown key "max_tim"; did you mean "max_time"?',
    ),
    "unknown key of an expectation": (
        W + M + "expect:\n- of: threads\n  mix: 2\n  max: 1\n",
        '5:3: expect[0].mix: unknown key "mix"; did you mean "min"?',
    ),
    "a key of the workload at the top": (
        W + M + "kwargs: {}\n",
        '3:1: kwargs: unknown key "kwargs"; write it under workload',
    ),
    "a key of measure at the top": (
        W + M + "max_time: 3s\n",
        '3:1: max_time: unknown key "max_time"; write it under measure',
    ),
    "a key of measure at the top that is like another": (
        W + M + "metric: p99\n",
        '3:1: metric: unknown key "metric"; write it under measure',
    ),
    "a key of the top in an entry": (
        W + "models: [{model: threads, tasks: 3}]\n",
        '2:27: models[0].tasks: unknown key "tasks"; write it at the top of the spec, not under another key',
    ),
    "a key of the workload under measure": (
        W + M + "measure: {kwargs: {}}\n",
        '3:11: measure.kwargs: unknown key "kwargs"; write it under workload',
    ),
    "workers at the top": (
        W + M + "workers: 3\n",
        '3:1: workers: unknown key "workers"; write it under matrix (as a list), or in an entry of models',
    ),
    "unknown option": (
        W + "models: [{model: processes, start_metod: spawn}]\n",
        '2:29: models[0].start_metod: unknown key "start_metod"; did you mean "start_method"?',
    ),
    "another model's option": (
        W + "models: [{model: threads, start_method: spawn}]\n",
        f'2:27: models[0].start_method: unknown key "start_method"; known: {ENTRY_KEYS}, pool, switch_interval_us',
    ),
    "unknown limit": (
        W + M + "limits: {memroy: 1GiB}\n",
        '3:10: limits.memroy: unknown key "memroy"; did you mean "memory"?',
    ),
    "a limit that is no size": (W + M + "limits: {memory: 1}\n", f"3:18: limits.memory: 1 {SIZE}"),
    "a limit that nothing can live with": (
        W + M + "limits: {open_files: 3}\n",
        "3:22: limits.open_files: expected 16 or more; got 3",
    ),
    "an option for a requirement": (
        W + M + "requirements: [numpy, -r more.txt]\n",
        f'3:23: requirements[1]: "-r more.txt" {REQUIREMENT}',
    ),
    "a path for a requirement": (W + M + "requirements: [./mine]\n", f'3:16: requirements[0]: "./mine" {REQUIREMENT}'),
    "a requirement that is a number": (
        W + M + "requirements: [3]\n",
        "3:16: requirements[0]: expected text; got 3, which needs quotes",
    ),
    "a requirement with a password": (
        W + M + "requirements: ['mine @ https://me:secret@example.org/mine.whl']\n",
        "3:16: requirements[0]: a URL with a user in it would be readable in the log; "
        "leave the user out, and let uv find it in ~/.netrc",
    ),
    "a package twice": (
        W + M + "requirements: [typing_extensions, numpy, Typing-Extensions>=4]\n",
        "3:15: requirements: names typing-extensions twice; keep one of them, with all version bounds",
    ),
    "blocks and precision": (
        W + M + "measure: {blocks: 20, precision: 1%}\n",
        "3:10: measure: blocks fix the end, which precision leaves open; delete one of them",
    ),
    "no rounds": (W + M + "measure: {rounds: 0}\n", "3:19: measure.rounds: expected 1 or more; got 0"),
    "no workload": (M, "1:1: workload: is missing; add `workload: {call: module:function}`"),
    "no models": (W, f"1:1: models: is missing; add `models: all`, or with a list of {', '.join(registry.NAMES)}"),
    # types
    "text for a number": (W + M + "tasks: many\n", '3:8: tasks: expected a whole number; got "many"'),
    "quoted number": (W + M + "tasks: '4'\n", '3:8: tasks: expected a whole number; got "4"'),
    "fraction of a task": (W + M + "tasks: 1.5\n", "3:8: tasks: expected a whole number; got 1.5"),
    "true for a number": (W + M + "tasks: true\n", "3:8: tasks: expected a whole number; got true"),
    "nothing for a number": (W + M + "tasks:\n", "3:7: tasks: expected a whole number; got nothing"),
    "number for text": (W + M + "name: 3\n", "3:7: name: expected text; got 3, which needs quotes"),
    "list for text": (W + M + "description: [a]\n", "3:14: description: expected text; got a list"),
    "list for a mapping": (W + M + "measure: []\n", f"3:10: measure: {MAPPING}; got a list"),
    "text for a mapping": ("workload: m:f\n" + M, f'1:11: workload: {MAPPING}; got "m:f"'),
    "text for a list": (W + "models: threads\n", '2:9: models: expected a list; got "threads"'),
    "mapping for a list": (
        W + M + "expect: {of: threads, min: 1}\n",
        "3:9: expect: expected a list; got a mapping",
    ),
    "number for an environment variable": (
        W + "models: [{model: threads, env: {A: 1}}]\n",
        "2:36: models[0].env.A: expected text; got 1, which needs quotes",
    ),
    # numbers
    "no tasks": (W + M + "tasks: 0\n", "3:8: tasks: expected 1 or more; got 0"),
    "negative tasks": (W + M + "tasks: -1\n", "3:8: tasks: expected 1 or more; got -1"),
    "too many tasks": (W + M + "tasks: 10_000_001\n", "3:8: tasks: expected 10000000 or less; got 10000001"),
    "negative workers": (
        W + "models: [{model: threads, workers: -1}]\n",
        "2:36: models[0].workers: expected 1 or more; got -1",
    ),
    "negative option": (
        W + "models: [{model: processes, max_tasks_per_child: -3}]\n",
        "2:50: models[0].max_tasks_per_child: expected 1 or more; got -3",
    ),
    "negative seed": (W + M + "measure: {seed: -1}\n", "3:17: measure.seed: expected 0 or more; got -1"),
    "unit unknown": (W + M + "measure: {max_time: 10 parsecs}\n", f'3:21: measure.max_time: "10 parsecs" {DURATION}'),
    "no unit": (W + M + "measure: {max_time: 10}\n", f"3:21: measure.max_time: 10 {DURATION}"),
    "negative duration": (W + M + "measure: {timeout: -10s}\n", f'3:20: measure.timeout: "-10s" {DURATION}'),
    "no duration": (W + M + "measure: {max_time: 0s}\n", f'3:21: measure.max_time: "0s" {DURATION}'),
    "endless": (W + M + "measure: {max_time: 501h}\n", f'3:21: measure.max_time: "501h" {DURATION}'),
    "list for a duration": (W + M + "measure: {max_time: [1s]}\n", f"3:21: measure.max_time: a list {DURATION}"),
    "digits of another script": (W + M + "measure: {max_time: ٣s}\n", f'3:21: measure.max_time: "٣s" {DURATION}'),
    "no percent sign": (W + M + "measure: {tie: 0.03}\n", f"3:16: measure.tie: 0.03 {PERCENTAGE}"),
    "zero percent": (W + M + "measure: {tie: 0%}\n", f'3:16: measure.tie: "0%" {PERCENTAGE}'),
    "over 100 percent": (W + M + "measure: {precision: 101%}\n", f'3:22: measure.precision: "101%" {PERCENTAGE}'),
    # models
    "unknown model": (W + "models: [thread]\n", '2:10: models[0]: unknown model "thread"; did you mean "threads"?'),
    "unknown model, nothing like it": (
        W + "models:\n- sequential\n- zzz\n",
        f'4:3: models[1]: unknown model "zzz"; known: {", ".join(registry.NAMES)}',
    ),
    "unknown model in an entry": (
        W + "models: [{model: thread, workers: 2}]\n",
        '2:18: models[0].model: unknown model "thread"; did you mean "threads"?',
    ),
    "an entry without a model": (
        W + "models: [{label: a}]\n",
        f"2:10: models[0]: names no model; add `model:`, one of {', '.join(registry.NAMES)}",
    ),
    "a list for a model": (
        W + "models: [[threads]]\n",
        "2:10: models[0]: expected a model's name or a mapping; got a list",
    ),
    "a number for a model": (
        W + "models: [{model: 3}]\n",
        "2:18: models[0].model: expected a model's name; got 3",
    ),
    "no model at all": (W + "models: []\n", "2:9: models: must not be empty; fill it in"),
    "unknown choice": (
        W + "models: [{model: processes, start_method: frok}]\n",
        '2:43: models[0].start_method: expected one of fork, forkserver, spawn; got "frok"',
    ),
    "version without quotes": (W + "models: [{model: threads, python: 3.10}]\n", f"2:35: models[0].python: {VERSION}"),
    "empty version": (
        W + "models: [{model: threads, python: ''}]\n",
        "2:35: models[0].python: must not be empty; fill it in",
    ),
    "label with a slash": (W + "models: [{model: threads, label: a/b}]\n", f'2:34: models[0].label: "a/b" {LABEL}'),
    "same label twice": (
        W + "models: [{model: threads, label: a}, {model: sequential, label: a}]\n",
        '2:65: models[1].label: models[0] is called "a" too; give each a label of its own',
    ),
    "same model twice": (
        W + "models: [threads, threads]\n",
        '2:19: models[1]: a second variant called "threads"; give each a `label:` of its own',
    ),
    # the workload
    "nothing to call": (
        "workload: {kwargs: {}}\n" + M,
        "1:11: workload: nothing to call; give `call: module:function`",
    ),
    "no module": (
        "workload: {call: f}\n" + M,
        '1:18: workload.call: "f" names no function; write module:function or file.py:function',
    ),
    "no module in an entry": (
        W + "models: [{model: threads, call: f}]\n",
        '2:33: models[0].call: "f" names no function; write module:function or file.py:function',
    ),
    "list of kwargs": ("workload: {call: m:f, kwargs: [1]}\n" + M, f"1:31: workload.kwargs: {MAPPING}; got a list"),
    "kwargs that are no names": (
        "workload: {call: m:f, kwargs: {a b: 1}}\n" + M,
        f'1:32: workload.kwargs["a b"]: "a b" {PYTHON_NAME}',
    ),
    "item that is no name": ("workload: {call: m:f, item: '1'}\n" + M, f'1:29: workload.item: "1" {PYTHON_NAME}'),
    "unknown check": (
        "workload: {call: m:f, check: sme}\n" + M,
        '1:30: workload.check: "sme" is not a check; write same, none, module:function or file.py:function',
    ),
    # the matrix
    "no values": (W + M + "matrix: {workers: []}\n", "3:19: matrix.workers: must not be empty; fill it in"),
    "a mapping of axes": (
        W + M + "matrix: {kwargs: {n: [1, 2]}}\n",
        "3:18: matrix.kwargs: expected a list, got a mapping; name each axis with a dot, such as kwargs.n: [1, 2]",
    ),
    "one value": (W + M + "matrix: {workers: 2}\n", "3:19: matrix.workers: expected a list; got 2"),
    "empty matrix": (W + M + "matrix:\n", f"3:8: matrix: {MAPPING}; got nothing"),
    "list for a matrix": (W + M + "matrix: [workers]\n", f"3:9: matrix: {MAPPING}; got a list"),
    "unknown axis": (
        W + M + "matrix: {worker: [1]}\n",
        '3:10: matrix.worker: no model of this experiment knows "worker"; did you mean "workers"?',
    ),
    "axis of an absent model": (
        W + M + "matrix: {start_method: [spawn]}\n",
        '3:10: matrix.start_method: no model of this experiment knows "start_method"; '
        "known: tasks, arrivals.rate, arrivals.process, arrivals.window, kwargs.*, workload.*, workers, "
        "python, pool, switch_interval_us",
    ),
    "negative axis": (
        W + M + "matrix: {workers: [1, -2]}\n",
        "3:23: matrix.workers[1]: expected 1 or more; got -2",
    ),
    "true on an axis": (
        W + M + "matrix: {tasks: [true]}\n",
        "3:18: matrix.tasks[0]: expected a whole number; got true",
    ),
    "unknown choice on an axis": (
        W + "models: [processes]\nmatrix: {start_method: [spwn]}\n",
        '3:25: matrix.start_method[0]: expected one of fork, forkserver, spawn; got "spwn"',
    ),
    "version without quotes on an axis": (
        W + M + "matrix: {python: [3.10]}\n",
        "3:19: matrix.python[0]: a version without quotes is a number, and 3.10 the same as 3.1; "
        'quote it, such as "3.10"',
    ),
    "value twice": (
        W + M + "matrix: {workers: [1, 1]}\n",
        "3:19: matrix.workers: names a value twice; keep one of them",
    ),
    "axis of the workload that is none": (
        W + M + "matrix: {workload.cal: [m:f]}\n",
        '3:10: matrix.workload.cal: a workload has no "cal"; did you mean "call"?',
    ),
    "kwargs by their long name": (
        W + M + "matrix: {workload.kwargs.n: [1]}\n",
        "3:10: matrix.workload.kwargs.n: kwargs have a shorter name here; write kwargs.n",
    ),
    "function on an axis without a module": (
        W + M + "matrix: {workload.call: [m:f, f]}\n",
        '3:31: matrix.workload.call[1]: "f" names no function; write module:function or file.py:function',
    ),
    "keyword on an axis that is no name": (
        W + M + "matrix: {kwargs.: [1]}\n",
        '3:10: matrix.kwargs.: "" is not a Python name; correct the name',
    ),
    "kwargs as a whole and one by one": (
        W + M + "matrix: {kwargs.n: [1, 2], workload.kwargs: [{n: 3}]}\n",
        "3:28: matrix.workload.kwargs: varies what kwargs.* varies too; keep one of the two",
    ),
    "a matrix too large": (
        W + M + f"matrix: {{kwargs.n: {list(range(5001))}}}\n",
        "3:9: matrix: makes 5001 points x 2 variants, more than 10000 combinations; name fewer values",
    ),
    # names, the baseline, expectations
    "name with a slash": (W + M + "name: a/b\n", f'3:7: name: "a/b" {NAME}'),
    "name that climbs": (W + M + "name: ..\n", f'3:7: name: ".." {NAME}'),
    "unknown baseline": (
        W + M + "baseline: thread\n",
        '3:11: baseline: no model or label "thread" in this experiment; did you mean "threads"?',
    ),
    "baseline of several variants": (
        W + "models: [threads]\nmatrix: {workers: [1, 2]}\nbaseline: threads\n",
        '4:11: baseline: "threads" means 2 variants; name one: threads(workers=1), threads(workers=2)',
    ),
    "expectation of an unknown variant": (
        W + M + "expect: [{of: processes, min: 1}]\n",
        '3:15: expect[0].of: no model or label "processes" in this experiment; known: sequential, threads',
    ),
    "expectation against an unknown variant": (
        W + M + "expect: [{of: threads, max: 1, against: sequentia}]\n",
        '3:41: expect[0].against: no model or label "sequentia" in this experiment; did you mean "sequential"?',
    ),
    "expectation without of": (
        W + M + "expect: [{min: 1}]\n",
        "3:10: expect[0].of: is missing; add `of:` with a model or a label",
    ),
    "expectation without a bound": (
        W + M + "expect: [{of: threads}]\n",
        "3:10: expect[0]: claims nothing; give min, max or equals",
    ),
    "expectation that can't hold": (
        W + M + "expect: [{of: threads, min: 2, max: 1}]\n",
        "3:10: expect[0]: min is above max, so it can never hold; swap them",
    ),
    "unknown metric": (
        W + M + "expect: [{of: threads, metric: speed, max: 1}]\n",
        '3:32: expect[0].metric: "speed" is not a metric; write speedup, wall_ns, startup_ns or observed.<key>; with '
        "arrivals p50, p90, p99, p99.9, mean, achieved_rate or queue_share",
    ),
    "equal speedup": (
        W + M + "expect: [{of: threads, equals: 1}]\n",
        "3:10: expect[0]: equals is for observed values; give min or max for speedup",
    ),
    "a time against another": (
        W + M + "expect: [{of: threads, metric: wall_ns, against: sequential, max: 1}]\n",
        "3:10: expect[0]: wall_ns is compared with nothing; delete `against`, or claim a speedup",
    ),
    "expectation of the baseline": (
        W + M + "expect: [{of: sequential, max: 1}]\n",
        f"3:10: expect[0]: compares sequential {ITSELF}",
    ),
    "expectation where no column is": (
        W + M + "expect: [{of: threads, max: 1, where: {worker: 2}}]\n",
        '3:40: expect[0].where.worker: threads has no column "worker"; did you mean "workers"?',
    ),
    "expectation where nothing matches": (
        W + M + "matrix: {workers: [1, 4]}\nexpect: [{of: threads, max: 1, where: {workers: 2}}]\n",
        "4:49: expect[0].where.workers: matches no point and variant of threads; there is 1, 4",
    ),
    "expectation where the combination is not": (
        W
        + "models: [sequential, {model: threads, workers: 1, label: a}, {model: threads, workers: 4}]\n"
        + "expect: [{of: a, max: 1, where: {workers: 4}}]\n",
        "3:43: expect[0].where.workers: matches no point and variant of a; there is 1",
    ),
    # what is no spec
    "a list": ("- a\n", '1:1: the top level is a list, not a mapping; write "key: value" lines'),
    "a tag": (W + M + "tasks: !!int 4\n", '3:8: tasks: tag "tag:yaml.org,2002:int" is not allowed; delete the tag'),
    "an open bracket": (
        W + M + "tasks: [\n",
        "4:1: tasks: not YAML: did not find expected node content while parsing a flow node; "
        "check indentation, quotes and brackets",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_spec_is_reported_with_place_path_and_remedy(cwd: Path, name: str) -> None:
    text, message = REFUSED[name]
    assert refusal(text) == f"a.yaml:{message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"name: \xff\n", "not UTF-8: byte 0xff at offset 6; save it as UTF-8"),
        (b"\xff\xfen\x00", "UTF-16 or UTF-32, not UTF-8; save it as UTF-8"),
        (b"#" * (document.MAX_BYTES + 1), "larger than 256 KiB; move data to its own file"),
    ],
)
def test_a_file_that_is_no_text_is_reported(cwd: Path, content: bytes, message: str) -> None:
    shown = refusal(content)
    assert shown.startswith("a.yaml:")
    assert message in shown


def test_a_missing_file_is_reported_with_one_that_is_there(cwd: Path) -> None:
    Path("cpu.yaml").write_text(W + M)
    with pytest.raises(BadInput, match=r'^cpv.yaml: no such file; did you mean "cpu.yaml"\?$'):
        loading.load(Path("cpv.yaml"))


def test_several_problems_are_reported_a_line_each(cwd: Path) -> None:
    text = W + "models: [thread]\ntasks: 0\ntaks: 1\nmeasure: {max_time: 10 parsecs}\n"
    assert refusal(text).splitlines() == [
        "a.yaml:3:8: tasks: expected 1 or more; got 0",
        'a.yaml:2:10: models[0]: unknown model "thread"; did you mean "threads"?',
        f'a.yaml:5:21: measure.max_time: "10 parsecs" {DURATION}',
        'a.yaml:4:1: taks: unknown key "taks"; did you mean "tasks"?',
    ]


def test_a_message_stays_on_its_line_whatever_the_spec_holds(cwd: Path) -> None:
    shown = refusal(W + M + '"a\\nb": 1\n')
    assert "\n" not in shown
    assert shown.startswith('a.yaml:3:1: ["a\\nb"]: unknown key "a\\nb"; ')


# overrides

BASE = "workload: {call: m:f, kwargs: {n: 1}}\nmodels: [sequential, threads]\n"


def test_an_override_replaces_a_value(cwd: Path) -> None:
    assert load(BASE + "tasks: 4\n", "tasks=8").tasks == 8


def test_an_override_reaches_into_a_section_that_the_file_does_not_have(cwd: Path) -> None:
    assert load(BASE, "measure.max_time=10s").measure.max_time == 10


def test_an_override_of_kwargs_leaves_the_other_kwargs(cwd: Path) -> None:
    assert load(BASE, "kwargs.m=5").workload.kwargs == {"n": 1, "m": 5}
    assert load(BASE, "workload.kwargs.n=5").workload.kwargs == {"n": 5}


def test_an_override_adds_an_axis_to_the_matrix(cwd: Path) -> None:
    experiment = load(BASE, "matrix.workers=[1,2]", "matrix.kwargs.n=[1, 2]")
    assert experiment.matrix == {"workers": (1, 2), "kwargs.n": (1, 2)}


def test_an_override_replaces_an_axis_of_the_matrix(cwd: Path) -> None:
    assert load(BASE + "matrix: {workers: [1, 2]}\n", "matrix.workers=[4]").matrix == {"workers": (4,)}


def test_the_last_of_two_overrides_counts(cwd: Path) -> None:
    assert load(BASE, "tasks=8", "tasks=9").tasks == 9


def test_an_override_may_hold_further_equals_signs(cwd: Path) -> None:
    assert load(BASE, "description=b=c").description == "b=c"


AXES = BASE + "matrix: {kwargs.n: [1, 2], workers: [1, 2], workload.call: [m:f, m:g]}\n"
NO_OVERRIDE = "is not an override; write key.sub=value, such as tasks=8"


@pytest.mark.parametrize(
    ("text", "override", "message"),
    [
        (BASE, "tasks", f'"tasks" {NO_OVERRIDE}'),
        (BASE, "=3", f'"=3" {NO_OVERRIDE}'),
        (BASE, "tasks =3", f'"tasks =3" {NO_OVERRIDE}'),
        (BASE, "models.0=threads", f'"models.0=threads" {NO_OVERRIDE}'),
        (BASE, "tasks=0", 'override "tasks=0": tasks: expected 1 or more; got 0'),
        (BASE, "tasks=", 'override "tasks=": tasks: expected a whole number; got nothing'),
        (BASE, "tasks='8'", 'override "tasks=\'8\'": tasks: expected a whole number; got "8"'),
        (BASE, "taks=3", 'override "taks=3": taks: unknown key "taks"; did you mean "tasks"?'),
        (BASE, "a=b=c", f'override "a=b=c": a: unknown key "a"; known: {KEYS}'),
        (BASE, "limits.memory=3", f'override "limits.memory=3": limits.memory: 3 {SIZE}'),
        (BASE, "tasks.x=3", 'override "tasks.x=3": tasks: expected a whole number; got a mapping'),
        (BASE, "tasks=1\n2", 'override "tasks=1\\n2": tasks: a line break in the value; write one line'),
        (BASE, "tasks=1\rx: 2", 'override "tasks=1\\rx: 2": tasks: a line break in the value; write one line'),
        (BASE, "tasks=\x07", 'override "tasks=\\x07": tasks: hidden character U+0007; delete the character'),
        (
            BASE,
            "tasks=!!int 3",
            'override "tasks=!!int 3": tasks: tag "tag:yaml.org,2002:int" is not allowed; delete the tag',
        ),
        (BASE, "name=../x", f'override "name=../x": name: "../x" {NAME}'),
        (
            BASE,
            "models.a=1",
            'override "models.a=1": models is a list, not a mapping; override models as a whole',
        ),
        (
            BASE,
            "models=[thread]",
            'override "models=[thread]": models[0]: unknown model "thread"; did you mean "threads"?',
        ),
        (BASE, "matrix.workers=2", 'override "matrix.workers=2": matrix.workers: expected a list; got 2'),
        (
            BASE,
            "matrix.wrkers=[2]",
            'override "matrix.wrkers=[2]": matrix.wrkers: no model of this experiment knows "wrkers"; '
            'did you mean "workers"?',
        ),
        (
            AXES,
            "kwargs.n=3",
            'override "kwargs.n=3": kwargs.n is an axis of the matrix; override matrix.kwargs.n=[...] instead',
        ),
        (
            AXES,
            "workload.call=m:g",
            'override "workload.call=m:g": workload.call is an axis of the matrix; '
            "override matrix.workload.call=[...] instead",
        ),
        (
            AXES,
            "workers=3",
            'override "workers=3": workers is an axis of the matrix; override matrix.workers=[...] instead',
        ),
    ],
)
def test_a_bad_override_is_reported(cwd: Path, text: str, override: str, message: str) -> None:
    assert refusal(text, override) == message


@pytest.mark.parametrize("order", [1, -1])
def test_an_axis_that_an_override_makes_is_not_overridden_by_another(cwd: Path, order: int) -> None:
    overrides = ["matrix.kwargs.n=[1]", "kwargs.n=3"][::order]
    assert refusal(BASE, *overrides).startswith('override "kwargs.n=3": kwargs.n is an axis of the matrix; ')


@quick
@given(st.from_regex(r"[a-z.]{0,12}=?", fullmatch=True), st.text(max_size=30))
@example("tasks=", "- 1")
@example("tasks=", "? a")
@example("tasks=", "...")
def test_any_text_as_an_override_is_read_or_refused(name: str, raw: str) -> None:
    try:
        path, _ = loading._override(name + raw)
    except BadInput as error:
        assert str(error).isprintable()
    else:
        assert path


# written and read again

keywords = st.text(string.ascii_letters + "_", min_size=1, max_size=8)
names = keywords.map("a{}".format)
# what a document can hold: no control characters, no surrogates, numbers of 64 bits
texts = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12),
    st.sampled_from(
        ["1e3", "0o17", "0x1f", "08", "3.10", "no", "null", "~", "", " a ", "- a", "a: b", "#", "1_000", "=", "<<"]
    ),
    st.sampled_from(["a\nb", "a\n\n b\n", "\ta", "x " * 100, "'", '"', "\\", "2026-01-01", ".inf", "1:30", "é"]),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5
)
references = st.builds("{}:{}".format, keywords, keywords)
durations = st.one_of(
    st.builds("{}{}".format, st.integers(1, 500), st.sampled_from(["ms", "s", "m", "min", "h"])),
    st.floats(0.001, 3600).map(lambda number: f"{number:.17f}s"),
)
percentages = st.floats(0.01, 100).map(lambda number: f"{number:.13f}%")
counts = st.integers(1, 4096)
entries = st.sampled_from(["threads", "processes", "event_loop"]).flatmap(
    lambda model: st.fixed_dictionaries(
        {"model": st.just(model), "label": names},
        optional={
            "workers": counts,
            "python": st.sampled_from(["3.10", "3.13t", "bin/python"]),
            "call": references,
            "async_call": references,
            "kwargs": st.dictionaries(keywords, values, max_size=2),
            "path": texts,
            "env": st.dictionaries(keywords, texts, max_size=2),
            **(
                {"start_method": st.sampled_from(["spawn", "fork"]), "chunksize": counts}
                if model == "processes"
                else {}
            ),
        },
    )
)
expectations = st.one_of(
    st.fixed_dictionaries({"of": st.just("sequential"), "metric": st.just("wall_ns"), "max": st.floats(0, 1e9)}),
    st.fixed_dictionaries({"of": st.just("sequential"), "metric": st.just("observed.a"), "equals": values}),
)
workloads = st.fixed_dictionaries(
    {"call": references, "kwargs": st.dictionaries(keywords, values, max_size=3)},
    optional={"async_call": references, "item": keywords, "check": references | st.sampled_from(["same", "none"])},
)
matrices = st.fixed_dictionaries(
    {},
    optional={
        "workers": st.lists(counts, min_size=1, max_size=3, unique=True),
        "kwargs.n": st.lists(values, min_size=1, max_size=1),
    },
)
measures = st.fixed_dictionaries(
    {},
    optional={
        "precision": percentages,
        "tie": percentages,
        "max_time": durations,
        "timeout": durations,
        "seed": st.integers(0, 2**63 - 1),
    },
)
experiments = st.fixed_dictionaries(
    {
        "name": names,
        "workload": workloads,
        "models": st.lists(entries, max_size=2, unique_by=lambda entry: entry["label"]).map(
            lambda found: ["sequential", *found]
        ),
    },
    optional={
        "description": texts,
        "tasks": st.integers(1, 10_000_000),
        "matrix": matrices,
        "baseline": st.just("sequential"),
        "measure": measures,
        "expect": st.lists(expectations, max_size=2),
    },
)

NOWHERE = Source(document.parse(b"a: 1", "a.yaml"), {})


@quick
@given(experiments)
def test_what_is_written_beside_a_journal_reads_as_the_same_experiment(value: dict[str, Any]) -> None:
    experiment = Experiment.model_validate(value)
    written = document.dump(experiment.rerunnable())
    again = loading.parse(document.parse(written.encode(), "spec.yaml").value, NOWHERE)
    assert again == experiment
    assert again.resolved() == experiment.resolved()
    assert plan_experiment(again, 2) == plan_experiment(experiment, 2)


FITS = jsonschema.Draft202012Validator(json.loads(spec()))


@quick
@given(experiments)
def test_what_is_an_experiment_fits_the_published_schema(value: dict[str, Any]) -> None:
    FITS.validate(value)


def test_the_published_schema_asks_for_no_name() -> None:
    FITS.validate({"workload": {"call": "m:f"}, "models": ["threads"]})


def test_the_published_schema_has_the_defaults_as_people_write_them() -> None:
    measure = json.loads(spec())["$defs"]["Measure"]["properties"]
    written = {name: about["default"] for name, about in measure.items()}
    assert written == {
        "metric": None,
        "precision": None,
        "tie": "3%",
        "max_time": None,
        "timeout": "30s",
        "overrun": "cancel",
        "blocks": None,
        "rounds": None,
        "refine": None,
        "seed": None,
    }


def resolved(**more: Any) -> dict[str, Any]:
    spec = {"name": "a", "workload": {"call": "m:f"}, "models": ["threads"], **more}
    experiment = Experiment.model_validate(spec)
    again = Experiment.model_validate(experiment.resolved())
    assert plan_experiment(again, 2) == plan_experiment(experiment, 2)
    return experiment.resolved()


def test_a_resolved_spec_has_every_default() -> None:
    found = resolved()
    assert set(found) == set(Experiment.model_fields)
    assert (found["measure"]["tie"], found["measure"]["max_time"]) == ("3%", None)
    assert found["workload"]["check"] == "same"


def test_a_resolved_entry_has_the_defaults_of_its_options() -> None:
    (entry,) = resolved(models=["processes"])["models"]
    assert (entry["chunksize"], entry["start_method"], entry["workers"], entry["python"]) == (1, None, None, None)


def test_a_resolved_entry_leaves_out_what_the_matrix_varies() -> None:
    (entry,) = resolved(models=["processes"], matrix={"workers": [1, 2], "chunksize": [1, 2]})["models"]
    assert {"workers", "chunksize"}.isdisjoint(entry)


def test_a_resolved_entry_keeps_what_it_sets_itself_beside_an_axis() -> None:
    given = {"model": "processes", "python": None, "chunksize": 3}
    (entry,) = resolved(models=[given], matrix={"python": ["3.13"], "chunksize": [1, 2]})["models"]
    assert (entry["python"], entry["chunksize"]) == (None, 3)


def test_workers_of_null_are_the_cores_or_those_of_the_matrix() -> None:
    entry = {"model": "threads", "workers": None}
    plain = Experiment.model_validate({"name": "a", "workload": {"call": "m:f"}, "models": [entry]})
    assert [variant.workers for variant in plan_experiment(plain, 2).variants] == [2]


def test_a_resolved_expectation_has_equals_only_where_it_was_given() -> None:
    claims = [
        {"of": "threads", "metric": "observed.x", "equals": None},
        {"of": "threads", "metric": "wall_ns", "max": 1},
    ]
    first, second = resolved(expect=claims)["expect"]
    assert (first["equals"], "equals" in second, second["min"]) == (None, False, None)


# anything at all

WORDS = sorted({*KEYS.split(", "), *ENTRY_KEYS.split(", "), "of", "where", "min", "max", "threads", "m:f", "kwargs.n"})
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=5),
    max_leaves=20,
)


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A valid spec with something else in one place."""
    value: dict[str, Any] = draw(experiments)
    place: Any = value
    while True:
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key] and draw(st.booleans())):
            break
        place = place[key]
    place[key] = draw(junk)
    return value


@quick
@given(st.dictionaries(st.sampled_from(WORDS) | st.text(), junk, max_size=8) | damaged())
def test_any_data_is_an_experiment_or_bad_input(value: dict[str, Any]) -> None:
    try:
        plan_experiment(loading.parse(value, NOWHERE), 2)
    except BadInput as error:
        assert all(line.startswith("a.yaml:") for line in str(error).splitlines())
    except SpecProblem as found:
        assert found.problem.remedy
