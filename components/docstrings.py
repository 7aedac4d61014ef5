"""The docstring below each field of a model, as the field's description.

pydantic can read them itself, at every import and one class at a time, which takes longer than everything else about
the models together: 0.1 s of each start. They are needed for a schema and for a message about a mistake alone, so they
are read when somebody asks.
"""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel


@cache
def describe(model: type[BaseModel]) -> None:
    """Give the fields of a model, and of all models in it, the docstrings below them as descriptions.

    Afterwards `model_fields` and `model_json_schema()` have them. What a field says itself is left as it is.
    """
    for field in model.model_fields.values():
        for part in models_in(field.annotation):
            describe(part)
    texts = {name: text for base in reversed(model.__mro__) for name, text in _docstrings(base).items()}
    for name, field in model.model_fields.items():
        field.description = field.description or texts.get(name)
    model.model_rebuild(force=True)


def models_in(annotation: Any) -> set[type[BaseModel]]:
    """The models that a type is made of: of `dict[str, Service] | None`, Service."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for part in get_args(annotation) for model in models_in(part)}


def _docstrings(owner: type) -> dict[str, str]:
    """The docstrings below the annotated names of one class, in its own body."""
    if not issubclass(owner, BaseModel) or owner is BaseModel:
        return {}
    body = next((it.body for it in _classes(owner.__module__) if it.name == owner.__name__), [])
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


@cache
def _classes(module: str) -> tuple[ast.ClassDef, ...]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return tuple(node for node in tree.body if isinstance(node, ast.ClassDef))
