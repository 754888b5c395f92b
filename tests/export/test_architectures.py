"""The networks with untrained weights: published names, naive formulas, and the exported graph."""

# ruff: noqa: E402  # torch is not there where the program is only used: skipping comes first

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

for _module in ("torch", "torchvision", "onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_module, reason=f"exporting networks needs {_module}")

import onnxruntime
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from streamvpr.embedding import ModelKind
from streamvpr.errors import ModelError
from streamvpr.export.architectures import BUILDERS, build, salad
from streamvpr.export.architectures.building import Cut
from streamvpr.export.architectures.cosplace import RESNETS, find_backbone, make_cosplace
from streamvpr.export.architectures.dinov2 import make_dinov2_gem
from streamvpr.export.architectures.mixvpr import MixShape, MixVPR, make_mixvpr
from streamvpr.export.architectures.mixvpr import find_shape as find_mix_shape
from streamvpr.export.architectures.netvlad import NetVLADPooling, make_netvlad
from streamvpr.export.architectures.pooling import SignedGeM, unit
from streamvpr.export.architectures.salad import (
    SALAD,
    SALADShape,
    find_salad_shape,
    log_transport,
    make_dinov2_salad,
)
from streamvpr.export.architectures.vit import (
    BASE,
    LARGE,
    SMALL,
    Attention,
    VisionTransformer,
    ViTShape,
    find_shape,
    stretch_positions,
)
from streamvpr.networks import NETWORKS, find_network

if TYPE_CHECKING:
    from collections.abc import Callable

    State = dict[str, torch.Tensor]

TINY = ViTShape(width=128, depth=2, side=4)
TINY_REGISTERS = ViTShape(width=128, depth=2, registers=4, side=4)
TINY_SALAD = SALADShape(clusters=4, local=8, token=6, hidden=16)
TINY_MIX = MixShape(places=24, hidden=12, depth=2, channels=16, rows=2)


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights that let differences between pictures through, where untrained ones may be all 0."""
    torch.set_num_threads(1)
    chance = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if parameter.dim() > 1:
            fan = parameter[0].numel() if parameter.dim() != 3 else 1
            parameter.data = torch.randn(parameter.shape, generator=chance) * fan**-0.5
    return module.eval().requires_grad_(False)


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Case:
    """A small network: its name, its untrained module, and the size of its pictures."""

    name: str
    make: Callable[[], nn.Module]
    size: tuple[int, int]
    dimension: int

    def state(self) -> State:
        return dict(randomise(self.make()).state_dict())

    def build(self) -> nn.Module:
        return build(self.name, self.state(), Cut(self.size))

    def pictures(self, count: int) -> torch.Tensor:
        """Patches of some size, which no network averages away."""
        coarse = random(count, 3, self.size[1] // 8 + 1, self.size[0] // 8 + 1)
        return functional.interpolate(coarse, size=self.size[::-1], mode="nearest")


CASES = [
    Case("cosplace", lambda: make_cosplace("resnet18", 32), (64, 96), 32),
    Case("mixvpr", lambda: make_mixvpr(TINY_MIX), (64, 96), 32),
    Case("netvlad", lambda: make_netvlad(3, bias=True), (64, 48), 1536),
    Case("dinov2-gem", lambda: make_dinov2_gem(TINY_REGISTERS), (56, 42), 128),
    Case("dinov2-salad", lambda: make_dinov2_salad(TINY, TINY_SALAD), (42, 70), 38),
]
CHEAP = [case for case in CASES if case.name.startswith("dinov2")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_graph_is_the_network_at_any_batch(case: Case) -> None:
    module = case.build()
    pictures = case.pictures(3)
    session, operators = export(module, pictures)
    assert session.get_inputs()[0].shape == ["N", 3, case.size[1], case.size[0]]
    assert session.get_outputs()[0].shape == ["N", case.dimension]
    assert not operators & {"Shape", "Expand", "Loop", "If", "Resize"}
    for count in (1, 3):
        feed = {session.get_inputs()[0].name: pictures[:count].numpy()}
        found = torch.from_numpy(session.run(None, feed)[0])
        expected = unit(module(pictures[:count]))
        assert found.shape == (count, case.dimension)
        torch.testing.assert_close(unit(found), expected, atol=1e-4, rtol=0)
    assert (expected[0] - expected[1]).norm() > 0.05  # else agreeing would say little


def export(module: nn.Module, pictures: torch.Tensor) -> tuple[onnxruntime.InferenceSession, set]:
    """ONNX Runtime's session of the module, and the names of the operators in the graph."""
    batch = torch.export.Dim("N", min=1, max=4096)
    program = torch.onnx.export(
        module,
        (pictures,),
        dynamo=True,
        opset_version=18,
        dynamic_shapes=({0: batch},),
        verbose=False,
    )
    content = io.BytesIO(program.model_proto.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        content.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    return session, {node.op_type for node in program.model_proto.graph.node}


PUBLISHED = {
    "cosplace": lambda: make_cosplace("resnet50", 2048),
    "eigenplaces": lambda: make_cosplace("resnet50", 2048),
    "mixvpr": make_mixvpr,
    "netvlad": make_netvlad,
    "dinov2-gem": lambda: make_dinov2_gem(SMALL),
    "dinov2-salad": lambda: make_dinov2_salad(BASE),
}
"""As most people would fetch them."""
DIMENSIONS = {
    "cosplace": 2048,
    "eigenplaces": 2048,
    "mixvpr": 4096,
    "netvlad": 32768,
    "dinov2-gem": 384,
    "dinov2-salad": 8448,
}
KEYS = {
    "cosplace": {
        "backbone.0.weight": (64, 3, 7, 7),
        "backbone.1.running_var": (64,),
        "backbone.4.0.downsample.0.weight": (256, 64, 1, 1),
        "backbone.6.5.conv2.weight": (256, 256, 3, 3),
        "backbone.7.2.bn3.bias": (2048,),
        "aggregation.1.p": (1,),
        "aggregation.3.weight": (2048, 2048),
        "aggregation.3.bias": (2048,),
    },
    "mixvpr": {
        "backbone.model.conv1.weight": (64, 3, 7, 7),
        "backbone.model.bn1.running_mean": (64,),
        "backbone.model.layer3.5.conv3.weight": (1024, 256, 1, 1),
        "aggregator.mix.0.mix.0.weight": (400,),
        "aggregator.mix.0.mix.1.weight": (400, 400),
        "aggregator.mix.3.mix.3.bias": (400,),
        "aggregator.channel_proj.weight": (1024, 1024),
        "aggregator.channel_proj.bias": (1024,),
        "aggregator.row_proj.weight": (4, 400),
        "aggregator.row_proj.bias": (4,),
    },
    "netvlad": {
        "encoder.0.weight": (64, 3, 3, 3),
        "encoder.0.bias": (64,),
        "encoder.28.weight": (512, 512, 3, 3),
        "pool.conv.weight": (64, 512, 1, 1),
        "pool.centroids": (64, 512),
    },
    "dinov2-gem": {
        "cls_token": (1, 1, 384),
        "pos_embed": (1, 1370, 384),
        "mask_token": (1, 384),
        "patch_embed.proj.weight": (384, 3, 14, 14),
        "patch_embed.proj.bias": (384,),
        "blocks.0.norm1.weight": (384,),
        "blocks.0.attn.qkv.weight": (1152, 384),
        "blocks.5.attn.proj.bias": (384,),
        "blocks.5.ls1.gamma": (384,),
        "blocks.11.mlp.fc1.weight": (1536, 384),
        "blocks.11.mlp.fc2.weight": (384, 1536),
        "blocks.11.ls2.gamma": (384,),
        "norm.bias": (384,),
    },
    "dinov2-salad": {
        "backbone.model.cls_token": (1, 1, 768),
        "backbone.model.pos_embed": (1, 1370, 768),
        "backbone.model.mask_token": (1, 768),
        "backbone.model.blocks.11.attn.qkv.bias": (2304,),
        "backbone.model.norm.weight": (768,),
        "aggregator.dust_bin": (),
        "aggregator.token_features.0.weight": (512, 768),
        "aggregator.token_features.2.weight": (256, 512),
        "aggregator.cluster_features.0.weight": (512, 768, 1, 1),
        "aggregator.cluster_features.3.weight": (128, 512, 1, 1),
        "aggregator.score.0.bias": (512,),
        "aggregator.score.3.weight": (64, 512, 1, 1),
    },
}


def shapes(make: Callable[[], nn.Module]) -> State:
    """The state of a module of full size, without the numbers."""
    with torch.device("meta"):
        return dict(make().state_dict())


class TestPublished:
    def test_every_network_has_a_builder(self) -> None:
        places = [network for network in NETWORKS if network.kind is ModelKind.PLACES]
        assert [network.name for network in places] == list(BUILDERS)

    @pytest.mark.parametrize("name", KEYS)
    def test_names_and_shapes(self, name: str) -> None:
        found = shapes(PUBLISHED[name])
        assert {key: tuple(found[key].shape) for key in KEYS[name]} == KEYS[name]

    def test_there_are_no_more_keys_than_published(self) -> None:
        mixvpr, netvlad = shapes(make_mixvpr), shapes(make_netvlad)
        assert not [key for key in mixvpr if ".layer4." in key or ".fc." in key]
        assert set(netvlad) - set(KEYS["netvlad"]) == {
            f"encoder.{index}.{kind}"
            for index in (2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
            for kind in ("weight", "bias")
        } - {"encoder.28.weight"}
        assert {key.split(".")[0] for key in shapes(PUBLISHED["dinov2-gem"])} == {
            *("cls_token", "pos_embed", "mask_token", "patch_embed", "blocks", "norm", "gem")
        }

    def test_registers(self) -> None:
        found = shapes(lambda: VisionTransformer(ViTShape(384, 1, registers=4)))
        assert tuple(found["register_tokens"].shape) == (1, 4, 384)

    @pytest.mark.parametrize("name", DIMENSIONS)
    def test_what_the_list_of_networks_says(self, name: str) -> None:
        network = find_network(name)
        assert network is not None
        with torch.device("meta"):
            module = PUBLISHED[name]().eval()
            fit = getattr(getattr(module, "transformer", module), "fit", lambda size: None)
            fit(network.size)
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                found = module(torch.zeros(1, 3, network.size[1], network.size[0]))
        assert tuple(found.shape) == (1, DIMENSIONS[name])
        assert str(DIMENSIONS[name]) in network.dimension
        assert counter.get_total_flops() / 2e9 == pytest.approx(network.gigaflops, rel=0.01)
        used = sum(p.numel() for key, p in module.named_parameters() if "mask_token" not in key)
        assert 4 * used / 1e6 == pytest.approx(network.megabytes, rel=0.01)
        assert not [side for side in network.size if side % network.multiple_of]

    @pytest.mark.parametrize("backbone", [*RESNETS.values(), "vgg16"])
    def test_the_backbone_is_found(self, backbone: str) -> None:
        assert find_backbone(shapes(lambda: make_cosplace(backbone, 64))) == backbone

    @pytest.mark.parametrize("shape", [SMALL, BASE, LARGE, TINY, TINY_REGISTERS])
    def test_the_transformer_is_found(self, shape: ViTShape) -> None:
        assert find_shape(shapes(lambda: VisionTransformer(shape))) == shape

    @pytest.mark.parametrize("shape", [MixShape(), MixShape(channels=64, rows=2, row_bias=False)])
    def test_the_mixers_are_found(self, shape: MixShape) -> None:
        assert find_mix_shape(shapes(lambda: make_mixvpr(shape))) == shape

    @pytest.mark.parametrize("shape", [SALADShape(), SALADShape(16, 32, 32)])
    def test_the_clusters_are_found(self, shape: SALADShape) -> None:
        assert find_salad_shape(shapes(lambda: make_dinov2_salad(SMALL, shape))) == shape


class TestWrongWeights:
    @pytest.mark.parametrize(
        ("name", "state", "said"),
        [
            ("cosplace", lambda: shapes(models.resnet50), r"lack aggregation\.3\.weight"),
            ("eigenplaces", dict, r"lack aggregation\.3\.weight"),
            ("mixvpr", lambda: shapes(models.resnet50), r"lack aggregator\.mix\.0\.mix\.1\.weight"),
            ("netvlad", lambda: shapes(models.vgg16), r"lack pool\.centroids"),
            ("dinov2-gem", lambda: shapes(models.vit_b_16), r"lack patch_embed\.proj\.weight"),
            (
                "dinov2-salad",
                lambda: shapes(lambda: VisionTransformer(TINY)),
                r"lack backbone\.model\.patch_embed\.proj\.weight",
            ),
        ],
    )
    def test_another_network(self, name: str, state: Callable[[], State], said: str) -> None:
        with pytest.raises(ModelError, match=said):
            build(name, state(), Cut((224, 224)))

    def test_a_backbone_that_is_none_of_them(self) -> None:
        layers = list(models.resnet34(weights=None).children())[:-2]
        state = {f"backbone.{k}": v for k, v in nn.Sequential(*layers).state_dict().items()}
        state |= {"aggregation.1.p": torch.ones(1), "aggregation.3.bias": torch.zeros(32)}
        state["aggregation.3.weight"] = torch.zeros(32, 512)
        with pytest.raises(ModelError, match=r"lack backbone\.4\.0\.conv3\.weight"):
            build("cosplace", state, Cut((64, 64)))
        less = {key: value for key, value in state.items() if "backbone.7" not in key}
        with pytest.raises(ModelError, match=r"lack backbone\.28\.weight.*\(3, 4, 6, 0\) blocks"):
            build("cosplace", less, Cut((64, 64)))

    def test_the_giant_has_other_layers(self) -> None:
        state = {
            key.replace("mlp.fc1", "mlp.w12"): value
            for key, value in shapes(lambda: make_dinov2_gem(TINY)).items()
        }
        with pytest.raises(ModelError, match=r"lack blocks\.0\.mlp\.fc1\.weight"):
            build("dinov2-gem", state, Cut((56, 56)))

    @pytest.mark.parametrize("case", CHEAP, ids=lambda case: case.name)
    def test_whichever_key_is_missing_is_named(self, case: Case) -> None:
        state = case.state()
        for key in state.keys() - {"gem.p", "register_tokens"}:
            with pytest.raises(ModelError, match=key):
                build(case.name, {k: v for k, v in state.items() if k != key}, Cut(case.size))

    @pytest.mark.parametrize("case", CHEAP, ids=lambda case: case.name)
    def test_whichever_shape_is_wrong_is_named(self, case: Case) -> None:
        state = case.state()
        for key in state:
            with pytest.raises(ModelError, match=key):
                build(case.name, {**state, key: torch.zeros(1, 1, 1, 1, 1)}, Cut(case.size))

    @pytest.mark.parametrize("positions", [0, 16])
    def test_positions_of_no_square(self, positions: int) -> None:
        state = {**CHEAP[0].state(), "pos_embed": torch.zeros(1, positions, 128)}
        with pytest.raises(ModelError, match="pos_embed"):
            build("dinov2-gem", state, Cut((56, 56)))

    @pytest.mark.parametrize(
        ("case", "size", "said"),
        [
            (CASES[1], (640, 480), "mix 24 places, and pictures of 640x480 have 40x30"),
            (CASES[3], (100, 70), "100x70 do not divide .* 14x14 .* take 98x70"),
            (CASES[3], (3, 14), "take 14x14"),
            (CASES[4], (28, 28), "28x28 have 2x2 patches.* 4 clusters"),
        ],
        ids=["mixvpr", "dinov2-gem", "dinov2-gem-tiny", "dinov2-salad"],
    )
    def test_pictures_that_do_not_fit(self, case: Case, size: tuple[int, int], said: str) -> None:
        with pytest.raises(ModelError, match=said):
            build(case.name, case.state(), Cut(size))


class TestNaively:
    """Against the papers' formulas, written for one picture and without haste."""

    def test_cosplace(self) -> None:
        module = randomise(make_cosplace("resnet18", 16))
        pictures = random(2, 3, 64, 64)
        features = module.backbone(pictures)
        p = module.aggregation[1].p
        places = functional.normalize(features, dim=1).clamp(min=1e-6) ** p
        pooled = places.mean(dim=(2, 3)) ** (1 / p)
        expected = pooled @ module.aggregation[3].weight.T + module.aggregation[3].bias
        torch.testing.assert_close(module(pictures), expected)

    @pytest.mark.parametrize("bias", [False, True])
    def test_netvlad(self, bias: bool) -> None:
        pool = randomise(NetVLADPooling(5, bias=bias))
        features = random(2, 512, 3, 4)
        expected = np.stack([naive_vlad(pool, each.double().numpy()) for each in features])
        assert pool(features).numpy() == pytest.approx(expected, abs=1e-5)

    def test_mixvpr(self) -> None:
        module = randomise(make_mixvpr(TINY_MIX))
        features = random(2, 1024, 6, 4)
        expected = np.stack([naive_mix(module, each.double().numpy()) for each in features])
        assert module.aggregator(features).numpy() == pytest.approx(expected, abs=1e-4)

    def test_salad(self) -> None:
        module = randomise(SALAD(32, TINY_SALAD))
        patches, tokens = random(2, 15, 32), random(2, 32, seed=2)
        expected = np.stack(
            [
                naive_salad(module, each.double().numpy(), token.double().numpy())
                for each, token in zip(patches, tokens, strict=True)
            ]
        )
        assert module(patches, tokens).numpy() == pytest.approx(expected, abs=1e-5)

    def test_attention(self) -> None:
        attention, tokens = randomise(Attention(128)), random(2, 7, 128)
        theirs = nn.MultiheadAttention(128, 2, batch_first=True).eval()
        theirs.in_proj_weight, theirs.in_proj_bias = attention.qkv.weight, attention.qkv.bias
        theirs.out_proj.weight, theirs.out_proj.bias = attention.proj.weight, attention.proj.bias
        expected, _ = theirs(tokens, tokens, tokens)
        torch.testing.assert_close(attention(tokens), expected)

    @pytest.mark.parametrize("shape", [TINY, TINY_REGISTERS], ids=["plain", "registers"])
    def test_tokens_before_those_of_the_patches(self, shape: ViTShape) -> None:
        module = randomise(VisionTransformer(shape))
        pictures = random(2, 3, 56, 56)
        patches = module.patch_embed.proj(pictures).flatten(2).transpose(1, 2)
        tokens = torch.cat([module.cls_token.expand(2, -1, -1), patches], 1) + module.pos_embed
        if shape.registers:
            registers = module.register_tokens.expand(2, -1, -1)
            tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], 1)
        for block in module.blocks:
            tokens = tokens + block.ls1.gamma * block.attn(block.norm1(tokens))
            hidden = functional.gelu(block.mlp.fc1(block.norm2(tokens)))
            tokens = tokens + block.ls2.gamma * block.mlp.fc2(hidden)
        expected = functional.layer_norm(tokens, (128,), eps=1e-6)
        torch.testing.assert_close(module(pictures), expected, atol=1e-4, rtol=1e-4)

    def test_signed_mean(self) -> None:
        tokens = random(2, 9, 5)
        expected = np.cbrt((tokens.double().numpy() ** 3).mean(1))
        found = SignedGeM()(tokens).detach()
        assert found.numpy() == pytest.approx(expected, abs=1e-5)
        torch.testing.assert_close(SignedGeM()(-tokens).detach(), -found)


def naive_vlad(pool: NetVLADPooling, features: np.ndarray) -> np.ndarray:
    weights = pool.conv.weight.double().numpy()[:, :, 0, 0]
    bias = np.zeros(len(weights)) if pool.conv.bias is None else pool.conv.bias.double().numpy()
    centroids = pool.centroids.double().numpy()
    sums = np.zeros_like(centroids)
    for row in range(features.shape[1]):
        for column in range(features.shape[2]):
            x = features[:, row, column] / np.linalg.norm(features[:, row, column])
            a = np.exp(weights @ x + bias)
            for k, centroid in enumerate(centroids):
                sums[k] += a[k] / a.sum() * (x - centroid)
    return np.concatenate([each / np.linalg.norm(each) for each in sums])


def naive_mix(module: MixVPR, features: np.ndarray) -> np.ndarray:
    aggregator = module.aggregator
    channels = []
    for x in features.reshape(len(features), -1):
        for mixer in aggregator.mix:
            norm, wide, _, narrow = mixer.mix
            y = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * numbers(norm)[0] + numbers(norm)[1]
            y = np.maximum(numbers(wide)[0] @ y + numbers(wide)[1], 0)
            x = x + numbers(narrow)[0] @ y + numbers(narrow)[1]
        channels.append(x)
    (depth, shift), (rows, level) = map(numbers, (aggregator.channel_proj, aggregator.row_proj))
    projected = depth @ np.stack(channels) + shift[:, None]
    return (projected @ rows.T + level).reshape(-1)


def naive_salad(module: SALAD, patches: np.ndarray, token: np.ndarray) -> np.ndarray:
    def mlp(layers: nn.Sequential, x: np.ndarray) -> np.ndarray:
        (first, shift), (last, level) = numbers(layers[0]), numbers(layers[-1])
        hidden = np.maximum(first.reshape(first.shape[:2]) @ x + shift, 0)
        return last.reshape(last.shape[:2]) @ hidden + level

    clusters = TINY_SALAD.clusters
    scores = np.stack([mlp(module.score, x) for x in patches], 1)
    plan = np.exp(np.vstack([scores, np.full(len(patches), float(module.dust_bin))]))
    mass = np.array([1.0] * clusters + [len(patches) - clusters])
    for _ in range(3):
        plan = plan * (mass / plan.sum(1))[:, None]
        plan = plan / plan.sum(0)
    gathered = np.zeros((TINY_SALAD.local, clusters))
    for i, x in enumerate(patches):
        gathered += np.outer(mlp(module.cluster_features, x), plan[:clusters, i])
    whole = mlp(module.token_features, token)
    columns = gathered / np.linalg.norm(gathered, axis=0)
    return np.concatenate([whole / np.linalg.norm(whole), columns.reshape(-1)])


def numbers(layer: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Its weight and bias."""
    return layer.weight.double().numpy(), layer.bias.double().numpy()


class TestTransport:
    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize(("clusters", "places"), [(1, 2), (4, 20), (64, 529)])
    def test_each_feature_gives_all_it_has(self, clusters: int, places: int, seed: int) -> None:
        scores = 3 * random(2, clusters, places, seed=seed)
        plan = log_transport(scores, torch.tensor(0.5)).exp()
        assert plan.shape == (2, clusters + 1, places)
        torch.testing.assert_close(plan.sum(1), torch.ones(2, places))

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize(("clusters", "places"), [(1, 2), (4, 20), (64, 529)])
    def test_clusters_and_dustbin_get_their_share_in_the_end(
        self, clusters: int, places: int, seed: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(salad, "ITERATIONS", 100)
        plan = log_transport(random(1, clusters, places, seed=seed), torch.tensor(0.5)).exp()
        torch.testing.assert_close(plan.sum(2)[0, :-1], torch.ones(clusters), atol=1e-3, rtol=0)
        assert plan.sum(2)[0, -1].item() == pytest.approx(places - clusters, rel=1e-3)

    def test_after_the_usual_iterations_they_nearly_do(self) -> None:
        plan = log_transport(random(1, 64, 529), torch.tensor(1.0)).exp()
        assert plan.sum(2)[0, :-1].numpy() == pytest.approx(1, abs=0.1)

    def test_scores_far_apart_stay_finite(self) -> None:
        plan = log_transport(1e3 * random(1, 4, 20), torch.tensor(1.0)).exp()
        assert plan.isfinite().all()


class TestPositions:
    @pytest.mark.parametrize("smooth", [False, True])
    def test_their_own_grid_is_left_alone(self, smooth: bool) -> None:
        positions = random(1, 1370, 8)
        assert torch.equal(stretch_positions(positions, (37, 37), smooth=smooth), positions)

    def test_native_pictures_leave_the_network_alone(self) -> None:
        state = dict(randomise(make_dinov2_gem(TINY)).state_dict())
        module = build("dinov2-gem", state, Cut((56, 56)))
        assert torch.equal(module.pos_embed, state["pos_embed"])

    @pytest.mark.parametrize("smooth", [False, True])
    @pytest.mark.parametrize("grid", [(3, 8), (23, 23), (16, 30), (1, 1)])
    def test_rows_stay_rows(self, grid: tuple[int, int], smooth: bool) -> None:
        rows = torch.arange(37.0).repeat_interleave(37)
        positions = torch.cat([torch.tensor([-9.0]), rows])[None, :, None]
        found = stretch_positions(positions, grid, smooth=smooth)[0, :, 0]
        assert found.shape == (1 + grid[0] * grid[1],)
        assert found[0] == -9
        square = found[1:].reshape(grid)
        torch.testing.assert_close(square, square[:, :1].expand(grid), atol=1e-4, rtol=0)
        assert (square[:, 0].diff() > 0).all()

    def test_networks_without_registers_stretch_as_they_were_trained(self) -> None:
        """By factors with 0.1 to spare, which shifts the samples: 16.1 / 37 and not 16 / 37."""
        ramp = torch.cat([torch.zeros(1), torch.arange(37.0).repeat_interleave(37)])[None, :, None]
        found = stretch_positions(ramp, (16, 16), smooth=False)[0, 1:, 0].reshape(16, 16)[:, 0]
        centres = (torch.arange(16) + 0.5) * 37 / 16.1 - 0.5
        torch.testing.assert_close(found, centres, atol=0.1, rtol=0)
        assert found[-1] < (15.5 * 37 / 16 - 0.5)
