"""The four lights of an AOI machine."""

from goldenpair.specs.simulate import Light

LIGHTS: tuple[Light, ...] = ("LowAngleLight", "SolderLight", "UniformLight", "WhiteLight")
