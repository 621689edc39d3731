"""Workflows: a trigger, conditions and actions, as the columns of a row hold them."""

from typing import Any, NamedTuple

from schemas.actions import Step
from schemas.triggers import Trigger


class Definition(NamedTuple):
    """A definition that can be carried out; `on_error` is done when a run fails."""

    name: str
    trigger: Trigger
    conditions: Any
    actions: tuple[Step, ...]
    on_error: tuple[Step, ...] = ()
