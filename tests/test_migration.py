"""The migration tables: they name every option of the programs, and nothing that the schema does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from click.testing import CliRunner
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from nsg_cluster.cli import command
from nsg_cluster.config.schema import Experiment
from nsg_cluster.config.sections import below

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "migration.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))

# What the programs' argument parsers know: nerf_pl 52aeb38, ngp_pl 1b49af1, Enigmatisms 6ff95e5, zhangkai0425 6fb0cb3.
OPTIONS = {
    "nerf_pl": """
        root_dir dataset_name img_wh spheric_poses N_samples N_importance use_disp perturb noise_std loss_type
        batch_size chunk num_epochs num_gpus ckpt_path prefixes_to_ignore optimizer lr momentum weight_decay
        lr_scheduler warmup_multiplier warmup_epochs decay_step decay_gamma poly_exp exp_name scene_name split
        save_depth depth_format N_grid x_range y_range z_range sigma_threshold occ_threshold use_vertex_normal
        near_t
    """,
    "ngp_pl": """
        root_dir dataset_name split downsample scale use_exposure distortion_loss_w batch_size
        ray_sampling_strategy num_epochs num_gpus lr optimize_ext random_bg eval_lpips val_only no_save_test
        exp_name ckpt_path weight_path
    """,
    "Enigmatisms/NeRF": """
        epochs max_save sample_ray_num coarse_sample_pnum fine_sample_pnum eval_time output_time
        center_crop_iter prop_net_width nerf_net_width near far center_crop_x center_crop_y name dataset_name
        img_scale scene_scale grad_clip pe_period_scale opt_mode min_ratio decay_rate decay_step warmup_step lr
        del_dir load use_scaler debug visualize do_render white_bkg ref_nerf use_srgb eval_poses render_depth
        render_normal prop_normal ide_level bottle_neck_noise
    """,
    "zhangkai0425/mipnerf-360": """
        log_dir dataset_name scene use_viewdirs randomized ray_shape white_bkgd override_defaults num_levels
        num_samples hidden_proposal hidden_nerf density_noise density_bias rgb_padding resample_padding min_deg
        max_deg viewdir_min_deg viewdir_max_deg dist_weight_decay lr_init lr_final lr_delay_steps lr_delay_mult
        weight_decay factor max_steps batch_size do_eval continue_training save_every print_every eval_every
        device chunks model_weight_path visualize_depth visualize_normals x_range y_range z_range grid_size
        sigma_threshold occ_threshold
    """,
}


def rows(section: str) -> list[tuple[str, str]]:
    """Return option and key of each row of a section's tables."""
    found = re.findall(r"^\| `(\w+)` \| (.+?) \|", SECTIONS[section], re.MULTILINE)
    return [(option, key) for option, key in found]


def fields(path: str) -> Iterator[FieldInfo]:
    """Yield the fields of the schema at a dotted path; a star stands for any key."""
    *above, last = path.split(".")
    waiting: list[tuple[Any, ...]] = [(Experiment,)]
    for key in above:
        every = {name for models in waiting for model in models for name in model.model_fields}
        waiting = [below(models, name) for models in waiting for name in (every if key == "*" else {key})]
    for models in waiting:
        for model in models:
            if last in model.model_fields:
                yield model.model_fields[last]


def accepts(field: FieldInfo, value: object) -> bool:
    """Return whether a field takes a value."""
    whole: Any = Annotated[field.annotation, field]  # type: ignore[name-defined]
    try:
        TypeAdapter(whole).validate_python(value)
    except ValueError:
        return False
    return True


KEYS = sorted(
    {(section, token) for section in OPTIONS for _, cell in rows(section) for token in re.findall(r"`(.+?)`", cell)}
)


@pytest.mark.parametrize("section", OPTIONS)
def test_every_option_of_a_program_is_in_its_section(section: str) -> None:
    told = set(re.findall(r"`(\w+)`", SECTIONS[section]))
    assert not set(OPTIONS[section].split()) - told


@pytest.mark.parametrize("section", OPTIONS)
def test_every_row_of_a_section_is_an_option_of_the_program_and_stands_once(section: str) -> None:
    named = [option for option, _ in rows(section)]
    assert set(named) <= set(OPTIONS[section].split())
    assert len(named) == len(set(named))
    assert all("`" in cell for _, cell in rows(section)), "each row names a key or a command"


@pytest.mark.parametrize(("section", "token"), KEYS)
def test_every_key_exists_and_takes_the_value_beside_it(section: str, token: str) -> None:
    del section
    if token.startswith("python launch.py "):
        words = [word for word in token.split()[2:] if word.islower()]
        assert CliRunner().invoke(command, [*words, "--help"]).exit_code == 0
        return
    path, _, value = token.partition(": ")
    found = list(fields(path))
    assert found, f"the schema has no key {path}"
    assert not value or any(accepts(field, yaml.safe_load(value)) for field in found)


def test_the_keys_of_neural_scene_graphs_exist() -> None:
    for _, cell in rows("Neural Scene Graphs"):
        for token in re.split(r", | or ", cell.strip("`")):
            assert list(fields(token.partition(":")[0])), token


def test_keys_that_remarks_name_exist() -> None:
    for token in re.findall(r"`((?:data|model|train|evaluate|render|export)\.[\w.*]+)(?::[^`]*)?`", PAGE):
        assert token.endswith(".py") or list(fields(token)), token
