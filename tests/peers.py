"""RoIAlign of other projects, as functions of arrays."""

from functools import cache

import numpy as np


def onnxruntime_roi_align(features, rois, output_size, spatial_scale, sampling_ratio, aligned):
    """Return the crops that onnxruntime's kernel computes, in float32."""
    session = _session(tuple(output_size), spatial_scale, sampling_ratio, aligned)
    feeds = {
        "features": np.ascontiguousarray(features, np.float32),
        "boxes": np.ascontiguousarray(rois[:, 1:], np.float32),
        "images": rois[:, 0].astype(np.int64),
    }
    return session.run(None, feeds)[0]


@cache
def _session(output_size, spatial_scale, sampling_ratio, aligned):
    """Return a session of one thread with the operator as its only node."""
    import onnx
    import onnxruntime

    node = onnx.helper.make_node(
        "RoiAlign",
        ["features", "boxes", "images"],
        ["crops"],
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
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
