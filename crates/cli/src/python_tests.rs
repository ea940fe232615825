use std::ffi::OsString;

use super::*;
use crate::layers::LayerOptions;
use crate::module::EngineKind;

fn plan(layers: Vec<LayerSpec>) -> Plan {
    Plan { module: module(b""), layers, ..crate::plan::own(EngineKind::Wasmtime) }
}

fn module(bytes: &[u8]) -> Module {
    Module::of(Path::new(""), bytes.to_vec())
}

fn owned(args: &[&str]) -> Vec<Vec<u8>> {
    args.iter().map(|arg| arg.as_bytes().to_vec()).collect()
}

fn strings(list: &[String]) -> Vec<OsString> {
    list.iter().map(OsString::from).collect()
}

fn zip_of(path: &Path, name: &str) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    zip.finish().unwrap();
}

#[test]
fn pythons_own_options() {
    for (args, expected) in [
        (&[][..], Program::Nothing),
        (&["-V"], Program::Nothing),
        (&["--version"], Program::Nothing),
        (&["-i"], Program::Nothing),
        (&["-c", "pass", "x.py"], Program::Code),
        (&["-cpass"], Program::Code),
        (&["-Bc", "pass"], Program::Code),
        (&["-"], Program::Stdin),
        (&["-u", "-", "x.py"], Program::Stdin),
        (&["-m", "pip", "list"], Program::Module(b"pip")),
        (&["-mpip"], Program::Module(b"pip")),
        (&["-um", "json.tool"], Program::Module(b"json.tool")),
        (&["-m"], Program::Module(b"")),
        (&["x.py", "-c", "y"], Program::Script(0)),
        (&["-W", "error", "x.py"], Program::Script(2)),
        (&["-Werror", "x.py"], Program::Script(1)),
        (&["-X", "dev", "-uXc", "x.py"], Program::Script(3)),
        (&["-uX", "dev", "x.py"], Program::Script(2)),
        (&["--check-hash-based-pycs", "never", "x.py"], Program::Script(2)),
        (&["-E", "--", "-x.py"], Program::Script(2)),
        (&["--"], Program::Nothing),
    ] {
        assert_eq!(program(args), expected, "{args:?}");
    }
}

#[test]
fn pip_is_refused_with_the_way_that_packages_take() {
    for line in [&["-m", "pip", "install", "x"][..], &["-mpip"], &["-m", "pip.__main__"], &["-m", "ensurepip"]] {
        let error = place_script(&mut owned(line), &mut plan(Vec::new())).unwrap_err();
        assert_eq!(error.code(), 2);
        let text = error.to_string();
        assert!(text.contains("pip install --target DIR") && text.contains("--env PYTHONPATH=/packages"), "{text}");
    }
    for line in [&["-m", "pipes"][..], &["-c", "import pip"], &["-m", "json.tool"]] {
        assert_eq!(place_script(&mut owned(line), &mut plan(Vec::new())), Ok(()));
    }
}

#[test]
fn a_script_of_the_host_is_mounted_alone() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("job.py");
    std::fs::write(&script, "pass").unwrap();
    let shown = script.display().to_string();
    let mut args = owned(&["-u", &shown, "one", &shown]);
    let mut plan = plan(Vec::new());
    place_script(&mut args, &mut plan).unwrap();
    assert_eq!(args, owned(&["-u", "/script/job.py", "one", &shown]));
    assert_eq!(plan.notes, [format!("{shown} is /script/job.py in the guest (read-only)")]);
    assert_eq!(plan.layers[0].guest.to_string(), "/script");
    assert_eq!(plan.layers[0].source, Source::SingleFile(std::fs::canonicalize(&script).unwrap()));
}

#[test]
fn a_script_evades_a_layer_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("job.py");
    std::fs::write(&script, "pass").unwrap();
    let mem = strings(&["/script".to_owned(), "/script-2".to_owned()]);
    let mut plan = plan(LayerOptions { mem: &mem, ..LayerOptions::default() }.parse().unwrap());
    let mut args = owned(&[&script.display().to_string()]);
    place_script(&mut args, &mut plan).unwrap();
    assert_eq!(args, owned(&["/script-3/job.py"]));
}

#[test]
fn a_script_in_a_layer_is_passed_through() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("job.py"), "pass").unwrap();
    let archive = dir.path().join("a.zip");
    zip_of(&archive, "in/zip.py");
    let app = strings(&[format!("{}::/app", dir.path().display())]);
    let mut plan1 = plan(LayerOptions { dir: &app, ..LayerOptions::default() }.parse().unwrap());
    for script in ["/app/job.py", "/app/not-there-yet.py", "/app"] {
        let mut args = owned(&[script]);
        place_script(&mut args, &mut plan1).unwrap();
        assert_eq!(args, owned(&[script]));
    }
    // At the root only what a layer holds; the rest is looked for on the host.
    let root = strings(&[format!("{}+{}::/", dir.path().display(), archive.display())]);
    let mut plan2 = plan(LayerOptions { overlay: &root, ..LayerOptions::default() }.parse().unwrap());
    for script in ["/job.py", "/in/zip.py"] {
        place_script(&mut owned(&[script]), &mut plan2).unwrap();
    }
    assert_eq!(plan2.layers.len(), 1);
    let host = dir.path().join("job.py").display().to_string();
    place_script(&mut owned(&[&host]), &mut plan2).unwrap();
    assert_eq!(plan2.layers.len(), 2);
    assert_eq!(plan1.notes.len() + plan2.notes.len(), 1);
}

#[test]
fn a_script_that_is_nowhere_is_named() {
    let error = place_script(&mut owned(&["no-such-script.py"]), &mut plan(Vec::new())).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (2, "no-such-script.py: there is no such file or directory"));
}

#[test]
fn a_standard_library_is_mounted_where_cpython_looks() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("lib.zip");
    zip_of(&archive, "os.pyc");
    let spec = check_stdlib(&archive, "--stdlib").unwrap();
    let (mut layers, mut env) = (Vec::new(), Environment::default());
    place_stdlib(spec.clone(), &module(b"..python3.x..python3.15/.."), &mut layers, &mut env).unwrap();
    assert_eq!(layers[0].guest.to_string(), "/python/lib/python3.15");
    assert_eq!(env.get(b"PYTHONHOME"), Some(&b"/python"[..]));
    let (mut layers, mut env) = (Vec::new(), Environment::default());
    env.set(b"PYTHONHOME", b"/home/py/");
    place_stdlib(spec.clone(), &module(b""), &mut layers, &mut env).unwrap();
    assert_eq!(layers[0].guest.to_string(), "/home/py/lib/python3.12");
    env.set(b"PYTHONHOME", b"py");
    assert!(place_stdlib(spec, &module(b""), &mut layers, &mut env).unwrap_err().to_string().contains("is not absolute"));
}

#[test]
fn what_is_no_standard_library_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("x.zip");
    zip_of(&archive, "lib/os.py");
    assert!(check_stdlib(&archive, "--stdlib").unwrap_err().to_string().contains("holds no standard library"));
    std::fs::write(&archive, "x").unwrap();
    assert!(check_stdlib(&archive, "--stdlib").unwrap_err().to_string().contains("is not a zip archive"));
    std::fs::write(&archive, b"PK\x05\x06 and no more").unwrap();
    assert!(check_stdlib(&archive, "--stdlib").unwrap_err().to_string().contains("is damaged"));
    let missing = check_stdlib(&dir.path().join("none.zip"), "--stdlib").unwrap_err();
    assert!(missing.to_string().contains("there is no such file"), "{missing}");
}
