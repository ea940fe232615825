use stratafs_abi::Flow;

use crate::guest::{Guest, OUTSIDE};

fn ask(g: &mut Guest, name: (u64, u64), result: u64, cap: u64) -> u64 {
    let payload = g.text("{}");
    match g.flow("host_call", &[name.0, name.1, payload.0, payload.1, result, cap]) {
        Flow::Done(Some(number)) => number,
        other => panic!("{other:?}"),
    }
}

fn answer(name: &str) -> String {
    let mut g = Guest::new();
    let (name, result) = (g.text(name), g.alloc(4096));
    let len = usize::try_from(ask(&mut g, name, result, 4096)).unwrap();
    let from = usize::try_from(result).unwrap();
    String::from_utf8(g.memory[from..][..len].to_vec()).unwrap()
}

#[test]
fn a_function_that_is_not_there_is_named_in_json() {
    let wanted = r#"{"ok":false,"error":"NotImplementedError: stratafs provides no host function 'double' (host.call)"}"#;
    assert_eq!(answer("double"), wanted);
    // Nothing in a name ends the string early, and a long one is cut.
    assert_eq!(answer("a\"b\\c\nd"), wanted.replace("double", "a?b?c?d"));
    assert_eq!(answer(&"x".repeat(5000)), wanted.replace("double", &"x".repeat(256)));
}

#[test]
fn an_answer_without_room_is_not_written() {
    let mut g = Guest::new();
    let (name, result) = (g.text("double"), g.alloc(4096));
    let len = ask(&mut g, name, result, 10);
    let from = usize::try_from(result).unwrap();
    assert!(len > 90 && g.memory[from..][..4096].iter().all(|byte| *byte == 0));
    assert_eq!(ask(&mut g, name, result, len - 1), len);
    assert_eq!(g.memory[from], 0);
    assert_eq!(ask(&mut g, name, result, len), len);
    assert_eq!(g.memory[from], b'{');
}

#[test]
fn a_bad_address_is_an_answer_of_minus_one() {
    let mut g = Guest::new();
    let name = g.text("double");
    assert_eq!(ask(&mut g, (OUTSIDE, 6), 0, 4096), u64::from(u32::MAX));
    assert_eq!(ask(&mut g, name, OUTSIDE - 10, 4096), u64::from(u32::MAX));
}

#[test]
fn answers_fit_into_the_room_that_the_guest_is_told_to_have() {
    let mut g = Guest::new();
    match g.flow("host_result_cap", &[]) {
        Flow::Done(Some(cap)) => assert!(answer(&"x".repeat(5000)).len() as u64 <= cap),
        other => panic!("{other:?}"),
    }
}
