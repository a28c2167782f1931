"""benchmarks/image.py leaves nothing behind in the engine."""

from benchmarks.image import TEST_IMAGE, built
from tests.doubles.docker_engine import docker


def test_its_image_goes(image: str) -> None:
    """The name of the image that was measured is there meanwhile, and not afterwards."""
    with built() as name:
        assert docker("image", "ls", "--quiet", name)

    assert docker("image", "ls", "--quiet", TEST_IMAGE) == ""
