"""Batch: checks of batch requests: task objects, lists, states, refused actions and, if there is a bucket, a complete
run."""

from __future__ import annotations

import json
import time
from typing import Any

from arpent.cli.conformance.bodies import SEEN, batch, day_after
from arpent.cli.conformance.buckets import NO_KEYS
from arpent.cli.conformance.check import Checks, Failed, NotChecked, equal, expect
from arpent.cli.conformance.made_scenes import DAYS, LAST_DAY
from arpent.cli.conformance.shapes import check_status, check_task, error_of, json_of
from arpent.cli.conformance.target import BATCH, JSON, Target

CHECKS = Checks("batch")
POLL_SECONDS = 1.0
ORDER = ("CREATED", "ANALYSING", "ANALYSIS_DONE", "PROCESSING", "DONE")
"""States of a request that is started and succeeds, in order."""
NO_PLACE = "no bucket that the suite may write: give --data or --bucket"


def never_started() -> dict[str, Any]:
    """The body of a request whose features and output do not exist."""
    return batch("s3://conformance/none.gpkg", "s3://conformance/none/", NO_KEYS)


def idle(target: Target) -> dict[str, Any]:
    """A request that was created and is never started. Raises NotChecked if this client may not create one."""
    if "idle" not in target.shared:
        answer = target.call("POST", BATCH, json=never_started())
        if answer.status_code == 403:
            raise NotChecked("this client may not create batch requests (403)")
        target.shared["idle"] = json_of(answer, 201)
    found: dict[str, Any] = target.shared["idle"]
    return found


@CHECKS.add("1.2")
def create(target: Target) -> None:
    """POST creates a request: 201 and the task object, CREATED, at 0 percent, with no action."""
    task = idle(target)
    check_task(task)
    equal("status", task["status"], "CREATED")
    equal("completionPercentage", task["completionPercentage"], 0)
    equal("userAction", task["userAction"], "NONE")


@CHECKS.add("1.2")
def create_by_form(target: Target) -> None:
    """A form with the parts `request` and `evalscript` creates a request with that script."""
    idle(target)
    body = never_started()
    del body["aggregation"]["evalscript"]
    parts = {"request": (None, json.dumps(body), "application/json"), "evalscript": (None, SEEN, "text/plain")}
    task = json_of(target.call("POST", BATCH, files=parts), 201)
    equal("request.aggregation.evalscript", task["request"]["aggregation"].get("evalscript"), SEEN)


@CHECKS.add("1.3")
def show(target: Target) -> None:
    """GET shows the request, with the URL of its output as it was sent."""
    task = json_of(target.call("GET", f"{BATCH}/{idle(target)['id']}"))
    check_task(task)
    equal("id", task["id"], idle(target)["id"])
    equal("request.output.s3.url", task["request"]["output"]["s3"]["url"], "s3://conformance/none/")


@CHECKS.add("1.3")
def status(target: Target) -> None:
    """GET /status shows the same without the request."""
    found = json_of(target.call("GET", f"{BATCH}/{idle(target)['id']}/status"))
    check_status(found)
    expect("request" not in found, "it has the request")


@CHECKS.add("1.2")
def pages(target: Target) -> None:
    """A list of one has a link to the next page, which continues after it."""
    first_id, other = idle(target)["id"], json_of(target.call("POST", BATCH, json=never_started()), 201)["id"]
    first = json_of(target.call("GET", BATCH, params={"count": 1}))
    equal("the number of entries", len(first["data"]), 1)
    check_task(first["data"][0])
    token = first.get("links", {}).get("nextToken")
    expect(token is not None, f"links has no nextToken: {first.get('links')}")
    second = json_of(target.call("GET", BATCH, params={"count": 1, "viewtoken": token}))
    expect(second["data"][0]["id"] != first["data"][0]["id"], "both pages hold the same request")
    listed = json_of(target.call("GET", BATCH, params={"sort": "created:desc", "count": 100}))["data"]
    missing = {first_id, other} - {task["id"] for task in listed}
    expect(not missing, f"requests just made are not among the newest: {missing}")


@CHECKS.add("1.4")
def stop_before_start(target: Target) -> None:
    """STOP is refused while a request is CREATED, with 400 and COMMON_BAD_PAYLOAD."""
    answer = target.call("POST", f"{BATCH}/{idle(target)['id']}/stop", headers=JSON)
    error_of(answer, 400, "COMMON_BAD_PAYLOAD")


def finished(target: Target) -> dict[str, Any]:
    """The task of a request that has run; `seen` lists its states in order. Raises NotChecked without a bucket."""
    if target.place is None:
        raise NotChecked(NO_PLACE)
    if "features" not in target.shared:
        raise NotChecked(target.shared.get("unwritable", NO_PLACE))
    if "finished" not in target.shared:
        target.shared["finished"] = _run(target)
    found: dict[str, Any] = target.shared["finished"]
    return found


def _run(target: Target) -> dict[str, Any]:
    assert target.place is not None
    place = target.place
    first, last = (DAYS[0], LAST_DAY) if target.has_data else (target.days[0], day_after(target.days[1]))
    days = {"from": f"{first}T00:00:00Z", "to": f"{last}T00:00:00Z"}
    body = batch(f"{place.url}/features.gpkg", f"{place.url}/results/", dict(place.access), timeRange=days)
    made = json_of(target.call("POST", BATCH, json=body), 201)
    answers = [target.call("POST", f"{BATCH}/{made['id']}/analyse", headers=JSON)]
    seen = [made["status"], *_until(target, made["id"], ("ANALYSIS_DONE",))]
    answers.append(target.call("POST", f"{BATCH}/{made['id']}/start", headers=JSON))
    seen += _until(target, made["id"], ("DONE",))
    task = json_of(target.call("GET", f"{BATCH}/{made['id']}"))
    return task | {"seen": list(dict.fromkeys(seen)), "actions": [(a.status_code, a.content) for a in answers]}


def _until(target: Target, job: str, states: tuple[str, ...]) -> list[str]:
    """The states seen until one of `states`. Raises Failed if the request ends otherwise, or not in time."""
    end, seen = time.monotonic() + target.patience, []
    while time.monotonic() < end:
        found = json_of(target.call("GET", f"{BATCH}/{job}/status"))
        check_status(found)
        seen.append(found["status"])
        if found["status"] in states:
            return seen
        if found["status"] in ("FAILED", "STOPPED"):
            raise Failed(f"the request is {found['status']}: {found.get('error') or found.get('stoppedStatusReason')}")
        if found["status"] != "DONE" and found["completionPercentage"] >= 100:
            raise Failed(f"100 percent while {found['status']}: the official client stops waiting")
        time.sleep(POLL_SECONDS)
    raise Failed(f"the request was not {' or '.join(states)} within {target.patience:g} s, but {seen[-1:]}")


@CHECKS.add("1.2")
def actions_are_empty(target: Target) -> None:
    """ANALYSE and START are answered with 204 and no body."""
    equal("(status, body) of both answers", finished(target)["actions"], [(204, b""), (204, b"")])


@CHECKS.add("1.4")
def states_in_order(target: Target) -> None:
    """A request goes through the documented states, in their order, to DONE."""
    seen = finished(target)["seen"]
    expect(set(seen) <= set(ORDER), f"states that do not belong here: {seen}")
    equal("the order of the states", sorted(seen, key=ORDER.index), seen)


@CHECKS.add("1.3")
def done(target: Target) -> None:
    """A request that is DONE is at 100 percent, and its cost is a number, above 0 where there is imagery."""
    task = finished(target)
    check_task(task)
    equal("completionPercentage", task["completionPercentage"], 100)
    expect(task["costPU"] > 0 or not target.has_data, f"costPU is {task['costPU']!r}")


@CHECKS.add("1.4")
def nothing_after_done(target: Target) -> None:
    """ANALYSE, START and STOP are refused once a request is DONE."""
    for action in ("analyse", "start", "stop"):
        error_of(target.call("POST", f"{BATCH}/{finished(target)['id']}/{action}", headers=JSON), 400)


@CHECKS.add("3.1")
def files(target: Target) -> None:
    """Each feature has a file <id>.json with id, identifier and response."""
    found = results(target)
    equal("the features with a file", sorted(found), sorted(target.shared["features"]))
    for feature, content in found.items():
        equal("id", content.get("id"), feature)
        equal("identifier", content.get("identifier"), target.shared["features"][feature])
        equal("response.status", content["response"]["status"], "OK")


def results(target: Target) -> dict[int, dict[str, Any]]:
    """Feature id → content of its file. Raises NotChecked without a bucket."""
    task = finished(target)
    assert target.place is not None
    stored = target.place.objects(f"results/{task['id']}/")
    found = {key: json.loads(payload) for key, payload in stored.items() if key.endswith(".json") and "/" not in key}
    return {int(key.removesuffix(".json")): content for key, content in found.items()}
