use super::*;

/// Two merged parts with 300 names each, half of them in both.
fn merged() -> (Arc<Overlay>, Tree) {
    let (above, below) = (mem(), mem());
    for n in 0..300 {
        below.file(&format!("{n}"), b"below");
        above.file(&format!("{}", n + 150), b"above");
    }
    over(&[&above, &below])
}

/// Lists `step` entries at a time, with something done in between.
fn in_steps(dir: &NodeRef, step: usize, mut between: impl FnMut(usize)) -> Vec<String> {
    let (mut names, mut from) = (Vec::new(), 0);
    loop {
        let mut taken = 0;
        dir.read_dir(from, &mut |entry| {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            from = entry.next;
            taken += 1;
            if taken < step { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
        if taken < step {
            return names;
        }
        between(names.len());
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn any_step_lists_every_name_once() {
    let (_, tree) = merged();
    let expected: Vec<_> = sorted((0..450).map(|n| n.to_string()).collect());
    for step in [1, 7, 255, 256, 257, 1000] {
        assert_eq!(sorted(in_steps(&tree.0, step, |_| {})), expected, "{step}");
    }
}

#[test]
fn a_listing_loses_and_doubles_nothing_while_names_come_and_go() {
    let (overlay, tree) = merged();
    let listed = in_steps(&tree.0, 5, |n| {
        // Replaced in one step, so that the names are there all the while; wherever the listing is.
        tree.file("fresh", b"");
        tree.rename("fresh", &format!("{}", (n * 7) % 450)).unwrap();
        tree.at(&format!("{}", (n * 11) % 450)).unwrap().set_attr(&SetAttr::mode(0o600)).unwrap();
        tree.file(&format!("new{n}"), b"");
        if n % 50 == 0 {
            drop(overlay.freeze());
        } else {
            tree.unlink(&format!("new{n}")).unwrap();
        }
    });
    let old: Vec<_> = listed.into_iter().filter(|name| !name.contains("n")).collect();
    assert_eq!(sorted(old), sorted((0..450).map(|n| n.to_string()).collect()));
}

#[test]
fn a_directory_that_gets_another_layer_while_it_is_listed_goes_on() {
    let below = mem();
    for n in 0..100 {
        below.file(&format!("{n}"), b"");
    }
    let (overlay, tree) = over(&[&below]);
    let listed = in_steps(&tree.0, 10, |n| {
        if n == 50 {
            tree.unlink("99").unwrap();
            tree.rename("0", "moved").unwrap();
            drop(overlay.freeze());
            tree.file("more", b"");
        }
    });
    let expected = (0..99).map(|n| n.to_string()).chain(["moved".to_string(), "more".into()]);
    assert_eq!(sorted(listed), sorted(expected.collect()));
}

#[test]
fn cookies_of_any_size_come_back() {
    let (overlay, _) = over(&[]);
    let places = [(0, 1), (5, (1 << 59) - 1), (6, 77), (65_535, (1 << 43) - 1), (3, 1 << 60), (70_000, 1), (0, u64::MAX)];
    let cookies = places.map(|(part, cookie)| overlay.cookie(part, cookie));
    assert!(cookies.iter().all(|&cookie| cookie > 0 && cookie < 1 << 62));
    assert_eq!(cookies.map(|cookie| overlay.place_of(cookie).unwrap()), places);
    assert_eq!(overlay.place_of(1 << 61 | 7), Err(Errno::EINVAL));
}

#[test]
fn inode_numbers_of_different_entries_differ() {
    let keys = [0, 1, 15, 16, (1 << 43) - 1, 1 << 43, (1 << 59) - 1, 1 << 59, u64::MAX];
    let mut inos = vec![layer::ROOT];
    for at in [0, 1, 13, 14, 15, 16, 65_535, 65_536, 1 << 20] {
        inos.extend(keys.map(|key| layer::inode(at, key)));
    }
    let all = inos.len();
    inos.sort_unstable();
    inos.dedup();
    assert_eq!(inos.len(), all);
}
