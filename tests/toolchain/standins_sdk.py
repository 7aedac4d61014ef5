"""Reads the names of the properties that the published SDK of pulumi-docker sends to its plugin."""

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

Properties = dict[str, Any]
"""Names, with ``[]`` behind a list and ``{}`` behind a map; objects have theirs below, anything else has None."""

_PROVIDER = "pulumi:providers:docker"
# The vendor adds this resource by hand; the bridged provider does not have it.
_NATIVE = "docker:index/image:Image"


def published_properties() -> dict[str, Properties]:
    """Returns the properties of every resource, and of the provider's configuration, by their Pulumi token."""
    spec = importlib.util.find_spec("pulumi_docker")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent
    inputs, outputs = _classes(folder / "_inputs.py"), _classes(folder / "outputs.py")
    found = {}
    for path in sorted(folder.glob("[!_]*.py")):
        classes = _classes(path)
        for declared in classes.values():
            token = _type_token(declared)
            if token == _PROVIDER:
                found[token] = _properties(classes["ProviderArgs"], inputs)
            elif token not in (None, _NATIVE):
                found[token] = _properties(declared, outputs)
    return {token: properties for token, properties in found.items() if token is not None}


def _classes(path: Path) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)}


def _type_token(declared: ast.ClassDef) -> str | None:
    for decorator in declared.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pulumi.type_token":
            return str(ast.literal_eval(decorator.args[0]))
    return None


def _properties(declared: ast.ClassDef, known: dict[str, ast.ClassDef]) -> Properties:
    found: Properties = {}
    for node in declared.body:
        if not isinstance(node, ast.FunctionDef) or node.returns is None:
            continue
        for decorator in node.decorator_list:
            name = _getter_name(decorator, node.name)
            if name is not None:
                annotation = ast.unparse(node.returns)
                inner = re.search(r"'(?:outputs\.)?(\w+)'", annotation)
                found[name + _shape(annotation)] = _properties(known[inner[1]], known) if inner else None
    return found


def _getter_name(decorator: ast.expr, default: str) -> str | None:
    if isinstance(decorator, ast.Attribute) and ast.unparse(decorator) == "pulumi.getter":
        return default
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pulumi.getter":
        return str(ast.literal_eval(decorator.keywords[0].value))
    return None


def _shape(annotation: str) -> str:
    if "Mapping[" in annotation:
        return "{}"
    return "[]" if "Sequence[" in annotation else ""
