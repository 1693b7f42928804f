"""Write the torch files of this folder anew, by the real library: `python make.py`."""

from pathlib import Path

import torch

HERE = Path(__file__).parent


class Nothing(torch.nn.Module):
    """A module that returns what it is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x."""
        return x


def main() -> None:
    """Write a file of each kind; values are 0, 1, 2, .. in the order of (2, 3, 4, 5)."""
    maps = torch.arange(120.0).reshape(2, 3, 4, 5)
    kinds = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
             "uint64", "uint32", "uint16", "uint8", "bool")  # fmt: skip
    good = {
        "tensor": maps,
        "kinds": {kind: maps.to(getattr(torch, kind)) for kind in kinds},
        "nested": {
            "features": maps,
            "deep": {"inner": maps[:1], "a.b": maps[1]},
            7: maps * 2,
            "list": [maps[0], (maps[1],)],
            "other": [None, True, -(2**70), 1.5, "text", b"bytes", maps.shape,
                      torch.device("cpu"), torch.float8_e5m2],
            (1, "x"): maps[0, 0],
            "spatial_scale": 0.25,
        },
        "parameter": torch.nn.Parameter(maps),
        "state": torch.nn.Conv2d(2, 3, 3).state_dict(),
        "views": {
            "steps": maps[:, :, ::2, ::3],
            "order": maps.permute(2, 0, 3, 1),
            "expanded": maps[:, :1].expand(2, 6, 4, 5),
            "offset": maps[1:, 1:, 1:, 1:],
            "empty": maps[:0],
            "negative": (maps * 1j).conj().imag,
        },
    }  # fmt: skip
    refused = {
        "quantized": torch.quantize_per_tensor(maps, 1, 0, torch.qint8),
        "sparse": maps[0, 0].to_sparse(),
        "complex": maps.to(torch.complex64),
        "float8": maps.to(torch.float8_e4m3fn),
        "module": Nothing(),
        "array": {"features": maps, "scores": maps[0, 0, 0].numpy()},
    }
    for name, value in {**good, **refused}.items():
        torch.save(value, HERE / f"{name}.pt")
    torch.save({"features": maps}, HERE / "protocol5.pt", pickle_protocol=5)
    torch.save(maps, HERE / "old.pt", _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(Nothing()), HERE / "script.pt")
    torch.export.save(torch.export.export(Nothing(), (maps,)), HERE / "program.pt2")


if __name__ == "__main__":
    main()
