//! Running a command module to its end.

use stratafs_abi::Stop;
use stratafs_emscripten::link::SYNC_MAPPINGS;
use wasmtime::{Error, Instance, Store, TypedFunc};

use crate::Guest;

/// How a guest's run ended.
#[derive(Debug)]
pub enum Ended {
    /// With this code; 0 when it returned.
    Exit(u32),
    /// Stopped from outside.
    Interrupted,
    /// In a trap, or an error of the embedder's own imports.
    Trap(Error),
}

impl From<Result<(), Error>> for Ended {
    fn from(result: Result<(), Error>) -> Self {
        match result {
            Ok(()) => Ended::Exit(0),
            Err(error) => match error.downcast_ref::<Stop>() {
                Some(Stop::Exit(code)) => Ended::Exit(*code),
                Some(Stop::Interrupted) => Ended::Interrupted,
                Some(Stop::NoMemory | Stop::Aborted | Stop::NotProvided(_)) | None => Ended::Trap(error),
            },
        }
    }
}

/// Calls `_start` of a command module, or `_initialize` of a reactor, and says how that ended. What an Emscripten guest wrote to files that it has
/// mapped is in them then, however it ended; nothing of the guest's runs any more.
pub fn start<T: 'static>(store: &mut Store<T>, instance: &Instance, get: impl Fn(&mut T) -> &mut Guest) -> Ended {
    let Some(name) = entry(store, instance) else { return Ended::Exit(0) };
    let ended = instance.get_typed_func::<(), ()>(&mut *store, name).and_then(|start| start.call(&mut *store, ()));
    write_back(store, instance, get);
    ended.into()
}

/// Calls these functions of a reactor, one after the other, until one of them ends the guest. They take nothing; what one answers is the exit
/// code, as if it was the last. Mapped files are as after [`start`].
pub fn call_all<T: 'static>(
    store: &mut Store<T>,
    instance: &Instance,
    names: &[&str],
    get: impl Fn(&mut T) -> &mut Guest,
) -> Ended {
    let answer = names.iter().try_fold(0, |_, name| match instance.get_typed_func::<(), i32>(&mut *store, name) {
        Ok(function) => function.call(&mut *store, ()),
        Err(_) => instance.get_typed_func::<(), ()>(&mut *store, name).and_then(|f| f.call(&mut *store, ()).map(|()| 0)),
    });
    write_back(store, instance, get);
    match answer {
        Ok(code) => Ended::Exit(code.cast_unsigned()),
        Err(error) => Err(error).into(),
    }
}

/// [`start`] for a store that is used with async calls.
pub async fn start_async<T: Send + 'static>(
    store: &mut Store<T>,
    instance: &Instance,
    get: impl Fn(&mut T) -> &mut Guest,
) -> Ended {
    let Some(name) = entry(store, instance) else { return Ended::Exit(0) };
    let ended = match instance.get_typed_func::<(), ()>(&mut *store, name) {
        Ok(start) => start.call_async(&mut *store, ()).await,
        Err(error) => Err(error),
    };
    if let Some(sync) = sync_mappings(store, instance, get) {
        let _ = sync.call_async(&mut *store, ()).await;
    }
    ended.into()
}

/// Has the glue write to their files what the guest has mapped. What writing gives is lost, as on Linux.
fn write_back<T: 'static>(store: &mut Store<T>, instance: &Instance, get: impl Fn(&mut T) -> &mut Guest) {
    if let Some(sync) = sync_mappings(store, instance, get) {
        let _ = sync.call(&mut *store, ());
    }
}

/// The glue's function of that name. In any other module it would be the guest's own.
fn sync_mappings<T: 'static>(
    store: &mut Store<T>,
    instance: &Instance,
    get: impl Fn(&mut T) -> &mut Guest,
) -> Option<TypedFunc<(), u32>> {
    get(store.data_mut()).has_glue.then(|| instance.get_typed_func(store, SYNC_MAPPINGS).ok()).flatten()
}

fn entry<T: 'static>(store: &mut Store<T>, instance: &Instance) -> Option<&'static str> {
    ["_start", "_initialize"].into_iter().find(|name| instance.get_func(&mut *store, name).is_some())
}
