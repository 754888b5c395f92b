"""`streamvpr map`: looking at saved places, and looking after them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from streamvpr.config import RebuildOptions
from streamvpr.errors import StoreError
from streamvpr.execution import print_text
from streamvpr.parsing import within

maps = App(name="map", help="Places that runs have saved with --map: look at them, tend them.")

MapArgument = Annotated[Path, Parameter(help="The file that `run --map` adds to.")]
JsonFlag = Annotated[bool, Parameter(name="--json", help="JSON for machines.", negative=())]


@maps.command
def info(file: MapArgument, /, *, as_json: JsonFlag = False) -> int:
    """Sessions, places, bytes, model and time span of a map."""
    from streamvpr.maps.contents import read_contents

    found = read_contents(file)
    print_text(json.dumps(found.as_json()) if as_json else found.as_text())
    return 0


@maps.command
def verify(file: MapArgument, /) -> int:
    """Read everything that a map holds, and say what is damaged, as JSON; exit code 5 then."""
    from streamvpr.maps.checking import check_map

    found = check_map(file)
    print_text(json.dumps(found.as_json()))
    if found.faults:
        raise StoreError(f"the map {file} is damaged: {found.faults[0]}; take a copy from before")
    return 0


@maps.command
def merge(
    file: Annotated[Path, Parameter(help="The map that the others go into; made if need be.")],
    /,
    *others: Annotated[Path, Parameter(help="Maps of the same model; they stay as they are.")],
) -> int:
    """Take the sessions of several maps into one; those that it has already only once."""
    from streamvpr.maps.merging import merge_maps

    print_text(json.dumps(merge_maps(file, others).as_json()))
    return 0


@maps.command
def prune(
    file: MapArgument,
    /,
    *,
    session: Annotated[
        list[str] | None, Parameter(help="Take out this session; as often as needed.", negative=())
    ] = None,
    older_than: Annotated[
        float | None,
        Parameter(help="Take out sessions that began more days ago.", validator=within(0)),
    ] = None,
    most: Annotated[
        int | None,
        Parameter(
            help="Leave so many places at most: those that show what the others do.",
            validator=within(1),
        ),
    ] = None,
    share: Annotated[
        float | None,
        Parameter(help="Leave this share of the places, in the same way.", validator=within(0, 1)),
    ] = None,
    measure: Annotated[
        bool,
        Parameter(
            help="Also count how many of the places that went are recognised in what is left.",
            negative=(),
        ),
    ] = False,
) -> int:
    """Make a map smaller: by session, by age, or down to places that stand for the others."""
    from streamvpr.maps.pruning import Rules, prune_map

    rules = Rules(session or (), older_than, most, share)
    print_text(json.dumps(prune_map(file, rules, measure=measure).as_json()))
    return 0


@maps.command
def export(
    file: MapArgument,
    output: Annotated[Path, Parameter(help="A name that ends in .npz, .parquet or .geojson.")],
    /,
) -> int:
    """Write the places of a map for other programs: NumPy, Parquet, or GeoJSON."""
    from streamvpr.maps.exporting import export_map

    print_text(json.dumps({"output": str(output), "places": export_map(file, output)}))
    return 0


@maps.command
def rebuild(
    file: MapArgument,
    output: Annotated[Path, Parameter(help="The new map.")],
    /,
    *,
    options: Annotated[RebuildOptions | None, Parameter(name="*")] = None,
) -> int:
    """Describe the places of a map with another model, from their sources or thumbnails."""
    from streamvpr.rebuilding import rebuild_map

    rebuilt = rebuild_map(file, output, options or RebuildOptions())
    print_text(json.dumps(rebuilt.as_json()))
    return 0
