"""Models of one operator of onnxruntime and OpenVINO; tests are skipped without these."""

import numpy as np
import pytest


def onnx_node(name, feeds, domain="", opset=16, **attributes):
    """Return what onnxruntime computes as a model of one node, inputs by name."""
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    values = {key: onnx.helper.np_dtype_to_tensor_dtype(feed.dtype) for key, feed in feeds.items()}
    node = onnx.helper.make_node(name, list(feeds), ["crops"], domain=domain, **attributes)
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], name,
        [info(key, kind, list(feeds[key].shape)) for key, kind in values.items()],
        [info("crops", onnx.TensorProto.FLOAT, None)],
    )  # fmt: skip
    opsets = [onnx.helper.make_opsetid("", opset)]
    opsets += [onnx.helper.make_opsetid(domain, 1)] if domain else []
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)[0]


def openvino(shape, count, build):
    """Return a function of maps and boxes by OpenVINO."""
    ov = pytest.importorskip("openvino")
    from openvino import opset9

    maps = opset9.parameter(list(shape), np.float32)
    boxes = opset9.parameter(list(count), np.float32)
    images = opset9.parameter([count[0]], np.int32)
    node, inputs = build(opset9, maps, boxes, images)
    model = ov.Model([node], inputs)
    hints = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(model, "CPU", hints)
    return lambda *feeds: next(iter(compiled(feeds).values()))
