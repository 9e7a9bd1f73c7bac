"""Finds what an adapter's author gives beside the adapter, by where it lies: no second entry point is needed."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from niftyflow.brokers.conformance.stage import Kit
from niftyflow.model import Misconfigured

MODULE: Final = "conformance"
NOTHING: Final = Kit()


def kit_beside(adapter_module: str) -> Kit:
    """Return `KIT` of the module `conformance` in the package in which an adapter's module lies; none: an empty kit.

    Raises:
        Misconfigured: the module is there, and holds no kit.
    """
    package = adapter_module.rpartition(".")[0] or adapter_module
    name = f"{package}.{MODULE}"
    try:
        kit = getattr(import_module(name), "KIT", None)
    except ModuleNotFoundError as error:
        if error.name not in {name, package}:
            raise
        return NOTHING
    if not isinstance(kit, Kit):
        raise Misconfigured(f"{name} holds no KIT of the type niftyflow.brokers.conformance.Kit: add one")
    return kit
