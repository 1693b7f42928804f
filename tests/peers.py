"""RoIAlign of other projects, as functions of arrays that allocate their result.

Each works on as many threads as OMP_NUM_THREADS says. What is done once for a workload, as making
a session, is kept.
"""

import os
from functools import cache
from importlib.util import find_spec

import numpy as np

NEEDS = {
    "onnxruntime": ("onnx", "onnxruntime"),
    "openvino": ("openvino",),
    "torchvision": ("torch", "torchvision"),
}


def installed():
    """Return the names of the peers that can run here."""
    return [name for name, needs in NEEDS.items() if all(map(find_spec, needs))]


def threads():
    return int(os.environ.get("OMP_NUM_THREADS") or 1)


def onnxruntime(features, rois, output_size, spatial_scale, sampling_ratio, aligned, mode="avg"):
    """Return the crops that onnxruntime's kernel computes, in float32."""
    session = _session(tuple(output_size), spatial_scale, sampling_ratio, aligned, mode)
    feeds = {
        "features": np.ascontiguousarray(features, np.float32),
        "boxes": np.ascontiguousarray(rois[:, 1:], np.float32),
        "images": rois[:, 0].astype(np.int64),
    }
    return session.run(None, feeds)[0]


@cache
def _session(output_size, spatial_scale, sampling_ratio, aligned, mode):
    """Return a session with the operator as its only node."""
    import onnx
    import onnxruntime

    node = onnx.helper.make_node(
        "RoiAlign",
        ["features", "boxes", "images"],
        ["crops"],
        mode=mode,
        output_height=output_size[0],
        output_width=output_size[1],
        spatial_scale=spatial_scale,
        sampling_ratio=max(sampling_ratio, 0),
        coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
    )
    floats, ints = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    tensor = onnx.helper.make_tensor_value_info
    inputs = [
        tensor("features", floats, ["N", "C", "H", "W"]),
        tensor("boxes", floats, ["K", 4]),
        tensor("images", ints, ["K"]),
    ]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "roi_align", inputs, [tensor("crops", floats, None)]),
        opset_imports=[onnx.helper.make_opsetid("", 16)],
        ir_version=8,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def openvino(features, rois, output_size, spatial_scale, sampling_ratio, aligned):
    """Return the crops of OpenVINO's fastest path: the blocked layout, with its conversions."""
    import openvino as ov

    request = _request(
        features.shape, len(rois), tuple(output_size), spatial_scale, sampling_ratio, aligned
    )
    crops = np.empty((len(rois), features.shape[1], *output_size), np.float32)
    request.set_output_tensor(0, ov.Tensor(crops, shared_memory=True))
    boxes = np.ascontiguousarray(rois[:, 1:], np.float32)
    request.infer([features, boxes, rois[:, 0].astype(np.int32)], share_inputs=True)
    return crops


@cache
def _request(shape, count, output_size, spatial_scale, sampling_ratio, aligned):
    """Return a request on a model of a pooling of single cells, for its layout, and RoIAlign."""
    import openvino as ov
    from openvino import opset9 as ops

    maps = ops.parameter(list(shape), np.float32)
    boxes, images = ops.parameter([count, 4], np.float32), ops.parameter([count], np.int32)
    blocked = ops.avg_pool(maps, [1, 1], [0, 0], [0, 0], [1, 1], True)
    mode = "half_pixel_for_nn" if aligned else "asymmetric"
    crops = ops.roi_align(
        blocked, boxes, images, *output_size, max(sampling_ratio, 0), spatial_scale, "avg", mode
    )
    model = ov.Model([crops], [maps, boxes, images])
    hints = {
        "INFERENCE_NUM_THREADS": threads(),
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    return ov.Core().compile_model(model, "CPU", hints).create_infer_request()


def openvino_rotated(features, rois, output_size, spatial_scale, sampling_ratio, clockwise):
    """Return OpenVINO's crops of turned boxes; it takes radians, and is always aligned."""
    model = _rotated(
        features.shape, len(rois), tuple(output_size), spatial_scale, sampling_ratio, clockwise
    )
    rows = np.ascontiguousarray(rois[:, 1:], np.float32)
    return model([features, rows, rois[:, 0].astype(np.int32)])[0]


@cache
def _rotated(shape, count, output_size, spatial_scale, sampling_ratio, clockwise):
    """Return a model of the operator alone."""
    import openvino as ov
    from openvino import opset15 as ops

    maps = ops.parameter(list(shape), np.float32)
    boxes, images = ops.parameter([count, 5], np.float32), ops.parameter([count], np.int32)
    crops = ops.roi_align_rotated(
        maps, boxes, images, *output_size, max(sampling_ratio, 0), spatial_scale, clockwise
    )
    hints = {"INFERENCE_NUM_THREADS": threads(), "INFERENCE_PRECISION_HINT": "f32"}
    return ov.Core().compile_model(ov.Model([crops], [maps, boxes, images]), "CPU", hints)


def torchvision(features, rois, output_size, spatial_scale, sampling_ratio, aligned):
    """Return the crops that torchvision's kernel computes."""
    import torch
    import torchvision

    torch.set_num_threads(threads())
    maps, table = torch.from_numpy(features), torch.from_numpy(rois)
    return torchvision.ops.roi_align(
        maps, table, output_size, spatial_scale, sampling_ratio, aligned
    ).numpy()


def torchvision_gradient(g, features, rois, output_size, spatial_scale, sampling_ratio, aligned):
    """Return the gradient of the features that torchvision's kernel computes from that of crops."""
    import torch
    import torchvision  # noqa: F401  brings the kernel

    torch.set_num_threads(threads())
    backward = torch.ops.torchvision._roi_align_backward
    more = *output_size, *features.shape, sampling_ratio, aligned
    return backward(torch.from_numpy(g), torch.from_numpy(rois), spatial_scale, *more).numpy()
