"""What is missing is said precisely, with how to install it."""

from __future__ import annotations

import pytest

from hal_ascend import locate as module
from hal_ascend.locate import Missing, locate


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without CANN and without a stand-in."""
    for name in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HAL_ASCEND_STANDIN", "0")
    monkeypatch.setattr(module, "_PLACES", (str(tmp_path / "usual"),))
    return tmp_path


def installed(home, *names, folder="lib64"):
    place = home / folder
    place.mkdir(parents=True)
    for name in names:
        (place / name).touch()
    return home


def test_without_cann_the_reason_names_the_places_and_the_remedy_the_download(bare):
    with pytest.raises(Missing) as caught:
        locate()
    assert "neither ASCEND_HOME_PATH nor the usual folders" in caught.value.reason
    assert "https://www.hiascend.com/cann" in caught.value.remedy
    assert "pip install 'hal-ascend[standin]'" in caught.value.remedy


def test_a_variable_that_leads_nowhere_is_named(bare, monkeypatch):
    monkeypatch.setenv("ASCEND_HOME_PATH", str(bare / "gone"))
    with pytest.raises(Missing, match=r"ASCEND_HOME_PATH=.*gone leads to libascendcl.so"):
        locate()


@pytest.mark.parametrize("variable", ["ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"])
def test_cann_is_found_by_its_variables(bare, monkeypatch, variable):
    home = installed(bare / "cann", "libascendcl.so", "libnnopbase.so", "libopapi.so")
    monkeypatch.setenv(variable, str(home))
    found = locate()
    assert found.libraries["runtime"] == home / "lib64" / "libascendcl.so"
    assert found.emulated == ""


def test_cann_is_found_in_the_usual_folders(bare):
    installed(bare / "usual", "libascendcl.so", "libnnopbase.so", "libopapi.so")
    assert locate().libraries["objects"].name == "libnnopbase.so"


def test_cann_is_found_on_the_loaders_path(bare, monkeypatch):
    installed(bare, "libascendcl.so", "libnnopbase.so", "libopapi.so", folder="x")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(bare / "x"))
    assert locate().libraries["runtime"].parent == bare / "x"


def test_operators_may_be_split_over_several_libraries(bare):
    names = ("libopapi.so", "libopapi_math.so", "libopapi_nn.so")
    installed(bare / "usual", "libascendcl.so", "libnnopbase.so", *names)
    assert [p.name for p in locate().operators] == list(names)


@pytest.mark.parametrize("lacking", ["libnnopbase.so", "libopapi.so"])
def test_a_runtime_without_the_operators_names_the_library_that_is_missing(bare, lacking):
    names = {"libascendcl.so", "libnnopbase.so", "libopapi.so"} - {lacking}
    installed(bare / "usual", *names)
    with pytest.raises(Missing, match=f"runtime but no {lacking}") as caught:
        locate()
    assert "operator package" in caught.value.remedy


def test_the_version_is_read_where_a_file_tells_it(bare):
    home = installed(bare / "usual", "libascendcl.so", "libnnopbase.so", "libopapi.so")
    (home / "ascend_toolkit_install.info").write_text("package_name=x\nversion=8.2.RC1\n")
    assert locate().version == "8.2.RC1"


def test_a_library_that_does_not_load_is_an_absent_device_with_its_remedy(bare):
    from hal_ascend.backend import AscendBackend

    installed(bare / "usual", "libascendcl.so", "libnnopbase.so", "libopapi.so")
    state = AscendBackend().devices()
    assert state.found == ()
    assert "libascendcl.so cannot be loaded" in state.reason
    assert "set_env.sh" in state.remedy


def test_a_stand_in_can_be_demanded(bare, monkeypatch):
    monkeypatch.setenv("HAL_ASCEND_STANDIN", "1")
    monkeypatch.setattr(module.metadata, "entry_points", lambda group: [])
    with pytest.raises(Missing, match="HAL_ASCEND_STANDIN=1 asks for a stand-in"):
        locate()


@pytest.mark.parametrize("version", ["7.0.0", "5.1.RC2"])
def test_an_old_version_is_refused_with_the_one_that_is_needed(bare, version):
    home = installed(bare / "usual", "libascendcl.so", "libnnopbase.so", "libopapi.so")
    (home / "version.cfg").write_text(f"version={version}\n")
    with pytest.raises(Missing, match=rf"CANN {version} is too old.*needs 8\.0 or newer") as caught:
        locate()
    assert "install CANN 8.0 or newer, and the driver" in caught.value.remedy


@pytest.mark.parametrize("version", ["8.0.RC3.alpha003", "8.0.0", "8.5.0", "10.1", "", "main"])
def test_a_version_that_is_new_or_unreadable_is_let_through(bare, version):
    home = installed(bare / "usual", "libascendcl.so", "libnnopbase.so", "libopapi.so")
    (home / "version.cfg").write_text(f"version={version}\n")
    assert locate().version == version


def test_the_version_that_the_library_tells_counts(in_python):
    code = (
        "import hal; d = hal.plugin.backends()['ascend'].devices(); "
        "print(d.reason, d.remedy, *[x.properties['CANN'] for x in d.found])"
    )
    assert in_python(code, STANDIN_VERSION="9.1.0").strip().endswith("9.1.0")
    told = in_python(code, STANDIN_VERSION="7.3.0")
    assert "CANN 7.3.0 is too old" in told
    assert "install CANN 8.0 or newer" in told


def test_a_function_that_older_versions_lack_is_done_without(ascend, monkeypatch):
    import hal

    x = hal.ones(3, device=ascend)
    monkeypatch.setattr(ascend.runtime.cann, "aclmdlRICaptureBegin", None)
    compiled = hal.compile(lambda x: x + x)
    for _ in range(3):
        assert compiled(x).tolist() == [2.0] * 3
