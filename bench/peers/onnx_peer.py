"""ONNX Runtime or OpenVINO: onnx_peer.py RUNTIME DTYPE SIZE BATCH MODEL.onnx REFERENCE [--threads N] [--seconds S]

RUNTIME: onnxruntime; openvino (int8: NNCF's post-training quantisation of the plain graph, kept beside the model)."""
import argparse
import os

import workload


def onnxruntime_session(o, x):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = o.threads, 1, 3
    session = ort.InferenceSession(o.model, options, providers=["CPUExecutionProvider"])
    return f"onnxruntime {ort.__version__}", lambda: session.run(None, {"x": x})[0]


def openvino_request(o, x):
    import openvino

    core = openvino.Core()
    path = o.model
    if o.dtype == "int8":
        path = o.model.replace(".onnx", ".int8.xml")
        if not os.path.exists(path):
            import nncf

            samples = workload.tokens(o.size, 8)
            data = nncf.Dataset([samples[i : i + 1] for i in range(8)])
            model = nncf.quantize(core.read_model(o.model), data, model_type=nncf.ModelType.TRANSFORMER, subset_size=8)
            openvino.save_model(model, path, compress_to_fp16=False)
            os.execv("/proc/self/exe", [os.path.realpath("/proc/self/exe"), *__import__("sys").orig_argv[1:]])  # its own memory
    model = core.read_model(path)
    model.reshape(list(x.shape))
    settings = {"INFERENCE_NUM_THREADS": o.threads, "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "bf16" if o.dtype == "bf16" else "f32"}
    compiled = core.compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    return f"openvino {openvino.__version__.split('-')[0]}", lambda: request.infer({0: x})[compiled.output(0)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime", choices=["onnxruntime", "openvino"])
    parser.add_argument("dtype", choices=["f32", "bf16", "int8"])
    parser.add_argument("size", choices=workload.SIZES)
    parser.add_argument("batch", type=int)
    parser.add_argument("model")
    parser.add_argument("reference")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6)
    o = parser.parse_args()
    x = workload.tokens(o.size, o.batch)
    name, run = (onnxruntime_session if o.runtime == "onnxruntime" else openvino_request)(o, x)
    variant = os.path.basename(o.model).split("_")[-1].removesuffix(".onnx")
    workload.report(f"{name} {variant}", o.dtype, o.size, o.batch, workload.measure(run, o.seconds), run(), o.reference)


if __name__ == "__main__":
    main()
