use tempfile::TempDir;

use super::*;

fn strings(list: &[String]) -> Vec<OsString> {
    list.iter().map(OsString::from).collect()
}

/// `data/`, `a+b/`, `x::y/`, `file`, `t.zip`, `link` to data.
fn scratch() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["data", "a+b", "x::y"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::fs::write(at("file"), "not a zip archive").unwrap();
    let mut zip = zip::ZipWriter::new(File::create(at("t.zip")).unwrap());
    zip.start_file("os.py", zip::write::SimpleFileOptions::default()).unwrap();
    zip.finish().unwrap();
    std::os::unix::fs::symlink("data", at("link")).unwrap();
    dir
}

fn one(option: &str, text: &str) -> Result<LayerSpec> {
    let texts = strings(&[text.to_owned()]);
    let mut options = LayerOptions::default();
    match option {
        "--dir" => options.dir = &texts,
        "--dir-rw" => options.dir_rw = &texts,
        "--overlay" => options.overlay = &texts,
        "--zip" => options.zip = &texts,
        _ => options.mem = &texts,
    }
    options.parse().map(|layers| layers.into_iter().next().unwrap())
}

#[test]
fn guest_paths() {
    let path = |text: &str| GuestPath::new(text.as_bytes());
    for (text, normal, depth) in
        [("/", "/", 0), ("//", "/", 0), ("/.", "/", 0), ("/a", "/a", 1), ("/a/", "/a", 1), ("//a/./b//c/.", "/a/b/c", 3)]
    {
        let path = path(text).unwrap();
        assert_eq!((path.as_bytes(), path.depth()), (normal.as_bytes(), depth), "{text}");
    }
    for text in ["", "a", "./a", "a/b"] {
        assert_eq!(path(text).unwrap_err(), format!("the guest path `{text}` is not absolute"));
    }
    assert!(path("/a/../b").unwrap_err().contains("must not contain `..`"));
    assert!(path(&format!("/{}", "x".repeat(256))).unwrap_err().contains("longer than 255"));
    assert!(path(&"/xyz".repeat(1024)).unwrap_err().contains("longer than 4095"));
    let (root, a, ab, abc) = (path("/").unwrap(), path("/a").unwrap(), path("/ab").unwrap(), path("/a/b/c").unwrap());
    assert_eq!(root.below(&abc), Some(&b"a/b/c"[..]));
    assert_eq!(a.below(&abc), Some(&b"b/c"[..]));
    assert_eq!(a.below(&a), Some(&b""[..]));
    assert_eq!(a.below(&ab), None);
    assert_eq!(abc.below(&a), None);
}

#[test]
fn a_layer_goes_under_the_last_component_of_its_real_path() {
    let dir = scratch();
    let real = std::fs::canonicalize(dir.path()).unwrap();
    let at = |name: &str| format!("{}/{name}", dir.path().display());
    let layer = one("--dir", &at("data")).unwrap();
    assert_eq!(layer.guest.to_string(), "/data");
    assert_eq!(layer.source, Source::ReadOnly(Lower::Dir(real.join("data"))));
    assert_eq!(one("--dir", &at("data/")).unwrap().guest.to_string(), "/data");
    assert_eq!(one("--dir", &at("data/../a+b/.")).unwrap().guest.to_string(), "/a+b");
    assert_eq!(one("--dir-rw", &at("link")).unwrap().source, Source::Writable(real.join("data")));
    assert_eq!(one("--dir-rw", &at("link")).unwrap().guest.to_string(), "/data");
    assert_eq!(one("--zip", &at("t.zip")).unwrap().guest.to_string(), "/t.zip");
    assert_eq!(one("--dir", &at("data::/in//side/")).unwrap().guest.to_string(), "/in/side");
    assert!(one("--dir", "/").unwrap_err().to_string().contains("add ::GUEST"));
    assert!(one("--dir", "/::/host").is_ok());
}

#[test]
fn host_paths_with_colons_are_split_at_the_last() {
    let dir = scratch();
    let layer = one("--dir", &format!("{}/x::y::/z", dir.path().display())).unwrap();
    assert_eq!(layer.guest.to_string(), "/z");
    assert!(matches!(layer.source, Source::ReadOnly(Lower::Dir(path)) if path.ends_with("x::y")));
    let text = one("--dir", &format!("{}/x::y", dir.path().display())).unwrap_err().to_string();
    assert!(text.contains("the guest path `y` is not absolute"), "{text}");
}

#[test]
fn overlays_list_their_layers_from_the_top() {
    let dir = scratch();
    let real = std::fs::canonicalize(dir.path()).unwrap();
    let at = |name: &str| format!("{}/{name}", dir.path().display());
    let layer = one("--overlay", &format!("{}+{}", at("t.zip"), at("data"))).unwrap();
    assert_eq!(layer.guest.to_string(), "/t.zip");
    assert_eq!(layer.source, Source::Overlay(vec![Lower::Zip(real.join("t.zip")), Lower::Dir(real.join("data"))]));
    let layer = one("--overlay", &format!("{}::/", at("a+b"))).unwrap();
    assert!(layer.guest.is_root());
    assert_eq!(layer.source, Source::Overlay(vec![Lower::Dir(real.join("a+b"))]));
    for (text, part) in [
        (format!("{}+", at("data")), "a layer between `+` is empty".to_owned()),
        (format!("{}+{}", at("data"), at("none")), format!("{}: there is no such file", at("none"))),
        (format!("{}+{}", at("data"), at("file")), format!("{} is not a zip archive", at("file"))),
    ] {
        let error = one("--overlay", &text).unwrap_err().to_string();
        assert!(error.starts_with("--overlay ") && error.contains(&part), "{error}");
    }
}

#[test]
fn what_is_missing_or_of_the_wrong_kind_is_named() {
    let dir = scratch();
    let at = |name: &str| format!("{}/{name}", dir.path().display());
    for (option, text, part) in [
        ("--dir", at("none"), "there is no such file or directory"),
        ("--dir", at("file"), "is not a directory"),
        ("--dir", at("file/x"), "a part of the path is not a directory"),
        ("--dir", String::new(), "the host path is empty"),
        ("--dir", "::/x".to_owned(), "the host path is empty"),
        ("--dir", at("data::"), "the guest path `` is not absolute"),
        ("--dir-rw", at("t.zip"), "is not a directory"),
        ("--dir-rw", at("data::x"), "the guest path `x` is not absolute"),
        ("--dir", at("data:/x"), "there is no such file or directory: the guest's path stands behind two colons, as in HOST::/x"),
        ("--zip", at("none"), "there is no such file or directory"),
        ("--zip", at("file"), "is not a zip archive"),
        ("--zip", at("data"), "is not a zip archive but a directory"),
        ("--mem", "tmp".to_owned(), "the guest path `tmp` is not absolute"),
    ] {
        let error = one(option, &text).unwrap_err();
        assert_eq!(error.code(), 2);
        let error = error.to_string();
        assert!(error.starts_with(&format!("{option} {text}: ")) && error.contains(part), "{error}");
    }
}

#[test]
fn two_layers_at_one_place_are_both_named() {
    let dir = scratch();
    let at = |name: &str| format!("{}/{name}", dir.path().display());
    let (dirs, mem) = (strings(&[at("data")]), strings(&["/data/".to_owned()]));
    let error = LayerOptions { dir: &dirs, mem: &mem, ..LayerOptions::default() }.parse().unwrap_err().to_string();
    assert!(error.contains(&format!("--dir {}", at("data"))), "{error}");
    assert!(error.contains("--mem /data/") && error.contains("both at /data"), "{error}");
}

#[test]
fn outer_layers_come_first() {
    let mem = strings(&["/a/b/c".to_owned(), "/a".to_owned(), "/".to_owned(), "/a/b".to_owned()]);
    let layers = LayerOptions { mem: &mem, ..LayerOptions::default() }.parse().unwrap();
    let places: Vec<String> = layers.iter().map(|layer| layer.guest.to_string()).collect();
    assert_eq!(places, ["/", "/a", "/a/b", "/a/b/c"]);
}

#[test]
fn copy_outs() {
    let dir = scratch();
    let parse = |text: String| CopyOutSpec::parse(OsStr::new(&text));
    let out = parse(format!("/out/={}/new=1", dir.path().display())).unwrap();
    assert_eq!((out.guest.to_string().as_str(), out.host.clone()), ("/out", dir.path().join("new=1")));
    assert!(parse("/out=here".into()).is_ok());
    for (text, part) in [
        ("/out".to_owned(), "needs GUEST=HOST"),
        ("/out=".to_owned(), "the host path is empty"),
        ("out=x".to_owned(), "the guest path `out` is not absolute"),
        (format!("/o={}/none/x", dir.path().display()), "there is no such file or directory"),
        (format!("/o={}/file/x", dir.path().display()), "is not a directory"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_script_gets_a_directory_of_its_own() {
    let dir = scratch();
    let real = std::fs::canonicalize(dir.path()).unwrap();
    let place = || GuestPath::new(b"/script").unwrap();
    let spec = single_file(dir.path().join("data/../file").as_os_str(), place()).unwrap();
    assert_eq!(spec.source, Source::SingleFile(real.join("file")));
    let error = single_file(dir.path().join("data").as_os_str(), place()).unwrap_err().to_string();
    assert!(error.contains("is a directory"), "{error}");
    let error = single_file(dir.path().join("none.py").as_os_str(), place()).unwrap_err().to_string();
    assert!(error.contains("none.py: there is no such file"), "{error}");
}
