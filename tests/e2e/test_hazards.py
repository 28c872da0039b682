"""What a tracker may get in the way of: children in borrowed memory, locks that others hold, cancellation, modules that go."""

import pytest

from harness import preloaded, target


def run_hazard(name, folder, *arguments, **options):
    result, run = preloaded(folder, [target("hazards"), name, *arguments], seconds=30, **options)
    assert result.status == 5, result
    return run


def test_end_of_a_vfork_child_is_not_its_parents(folder):
    assert run_hazard("after_vfork", folder).kinds() == [("malloc", 777)]


def test_child_without_a_folder_leaves_its_parents_recording_alone(folder):
    run = run_hazard("unrecorded_child", folder, env={"CRUNCH_CHILDREN": "0"})
    recording = run.path / "recording"
    assert int.from_bytes(recording.read_bytes()[16:24], "little") == recording.stat().st_size


@pytest.mark.parametrize("hazard", ["cancelled", "no_descriptors"])
def test_growing_recording_is_no_cancellation_point_and_keeps_errno(hazard, folder):
    run_hazard(hazard, folder)


@pytest.mark.parametrize("hazard", ["closing", "reopening"])
def test_modules_that_come_and_go(hazard, folder):
    run_hazard(hazard, folder, target("plugin", "-shared"))


def test_signal_handler_that_forks(folder):
    run_hazard("forking_handler", folder, env={"CRUNCH_CHILDREN": "0"})
