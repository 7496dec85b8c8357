"""A folder of rendered models, seen alone; how they are seen is tested where a model is rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsg_cluster.config.lone_objects import ObjectViewsData
from nsg_cluster.core.errors import DataError
from nsg_cluster.data.photographs.object_views import load_object_views


def test_a_folder_without_rendered_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.root: .* holds no rendered model"):
        load_object_views(ObjectViewsData(kind="object_views", root=str(tmp_path)))
    (tmp_path / "car").mkdir()
    (tmp_path / "car" / "objects.json").write_text('{"complete": false}')
    with pytest.raises(DataError, match=r"no model in .* is rendered to its end"):
        load_object_views(ObjectViewsData(kind="object_views", root=str(tmp_path)))
    (tmp_path / "car" / "objects.json").write_text("[1, 2]")
    with pytest.raises(DataError, match="is not what data render-objects writes"):
        load_object_views(ObjectViewsData(kind="object_views", root=str(tmp_path)))
