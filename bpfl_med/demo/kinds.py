"""Which kinds of things are drawn to train on, and which to validate on; the phantoms are of neither."""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from bpfl_med.demo import body_parts, grown_things, made_things, surfaces
from bpfl_med.demo.drawing import Drawing

Draw = Callable[[Generator, int], Drawing]

TRAINING_THINGS: dict[str, Draw] = {
    "wooden board": surfaces.wooden_board,
    "woven fabric": surfaces.woven_fabric,
    "tiled floor": surfaces.tiled_floor,
    "brushed metal plate": surfaces.brushed_metal,
    "wire grid": surfaces.wire_grid,
    "leather": surfaces.leather,
    "carpet": surfaces.carpet,
    "brick wall": surfaces.brick_wall,
    "granite slab": surfaces.granite,
    "striped cloth": surfaces.striped_cloth,
    "gravel": surfaces.gravel,
    "marble slab": surfaces.marble,
    "sand": surfaces.sand,
    "layered rock": surfaces.layered_rock,
    "honeycomb": surfaces.honeycomb,
    "sheet of cardboard": surfaces.cardboard,
    "cloudy glass": surfaces.cloudy_glass,
    "cork mat": surfaces.cork,
    "dotted paper": surfaces.dotted_paper,
    "corrugated sheet": surfaces.corrugated_sheet,
    "window": surfaces.window_panes,
    "metal nut": made_things.metal_nut,
    "washer": made_things.washer,
    "capsule": made_things.capsule,
    "tablet": made_things.tablet,
    "leaf": grown_things.leaf,
    "ceramic plate": made_things.ceramic_plate,
    "citrus slice": grown_things.citrus_slice,
    "tree slice": grown_things.tree_slice,
    "egg": grown_things.egg,
    "button": made_things.button,
    "screw": made_things.screw,
    "coin": made_things.coin,
    "biscuit": made_things.biscuit,
    "cable": made_things.cable_section,
    "seed pod": grown_things.seed_pod,
    "stone fruit": grown_things.stone_fruit,
    "agate": grown_things.agate,
    "pebble": grown_things.pebble,
    "slice of bread": grown_things.loaf_slice,
    "microchip": made_things.microchip,
    "bottle": made_things.bottle,
    "starfish": grown_things.starfish,
    "picture frame": made_things.picture_frame,
    "fork": made_things.fork,
    "flower": grown_things.flower,
    "bundle of pencils": made_things.pencil_bundle,
}
TRAINING_BODY_PARTS: dict[str, Draw] = {
    "body section": body_parts.body_section,
    "limb section": body_parts.limb_section,
    "radiograph": body_parts.radiograph,
    "ultrasound scan": body_parts.ultrasound_scan,
    "angiogram": body_parts.angiogram,
    "endoscopic view": body_parts.endoscopic_view,
    "patch of skin": body_parts.patch_of_skin,
    "slide of cells": body_parts.slide_of_cells,
    "joint": body_parts.joint,
    "muscle": body_parts.muscle,
    "heart section": body_parts.heart_section,
}
TRAINING_KINDS: dict[str, Draw] = {**TRAINING_THINGS, **TRAINING_BODY_PARTS}
VALIDATION_KINDS: dict[str, Draw] = {
    "wicker": surfaces.wicker,
    "terrazzo": surfaces.terrazzo,
    "circuit board": surfaces.circuit_board,
    "gear": made_things.gear,
    "avocado": grown_things.avocado,
    "zipper": made_things.zipper,
    "spine": body_parts.spine,
    "gland": body_parts.gland,
}
BODY_PARTS = frozenset({*TRAINING_BODY_PARTS, "spine", "gland"})
