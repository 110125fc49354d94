//! Makes one program of the core's tests: each file of them as it is, but for tests that need what a bare processor has not.

use quote::{ToTokens, format_ident, quote};
use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};
use syn::{Attribute, Expr, ExprLit, Ident, Item, Lit, Meta, UseTree, visit::Visit, visit_mut::VisitMut};

/// The files of `detalloc/tests` that look at the core alone.
const FILES: [&str; 14] = [
    "arena",
    "config",
    "forgotten",
    "guard",
    "heap",
    "local",
    "memory",
    "observe",
    "report",
    "ring",
    "shared",
    "small_worlds",
    "spin",
    "typed",
];

/// The names of what there is not, and what a test that says them needs.
const MISSING: [(&str, &str); 9] = [
    ("thread", "threads"),
    ("mpsc", "threads"),
    ("Barrier", "threads"),
    ("Mutex", "threads"),
    ("catch_unwind", "a panic that unwinds"),
    ("AssertUnwindSafe", "a panic that unwinds"),
    ("should_panic", "a panic that unwinds"),
    ("process", "processes"),
    ("ignore", "minutes"),
];

/// What else there is not without compare-and-swap.
const SWAPPING: [&str; 5] = ["SharedHeap", "Spin", "StaticRegion", "remote", "static_pool"];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let tests = here.join("../../tests");
    println!("cargo::rerun-if-changed={}", tests.display());
    let atomics = env::var("CARGO_CFG_TARGET_HAS_ATOMIC").unwrap_or_default();
    let has_swaps = atomics.split(',').any(|width| width == "ptr");
    let absent = if has_swaps { &[][..] } else { &SWAPPING };
    let (mut modules, mut runs) = (Vec::new(), Vec::new());
    let mut left_out = LeftOut::default();
    for name in FILES {
        let File { cfgs, mut items } = parse(&tests.join(name).with_extension("rs"))?;
        let mut missing: BTreeMap<_, _> = MISSING.map(|(name, what)| (name.to_owned(), what)).into();
        missing.extend(absent.iter().map(|name| ((*name).to_owned(), "compare-and-swap")));
        // What a helper needs, those need who call it.
        while prune(name, &mut items, &mut missing, &mut left_out) {}
        let ident = format_ident!("{name}");
        let body = program(name, &items);
        modules.push(quote!(#(#cfgs)* mod #ident { #body }));
        runs.push(quote!(#(#cfgs)* #ident::run_tests(run);));
    }
    let left_out = left_out.iter().map(|(what, names)| {
        let names = names.join(", ");
        quote!((#what, #names))
    });
    let suite = quote! {
        #(#modules)*

        /// Calls the function with every test.
        pub fn run_tests(run: &mut dyn FnMut(&'static Test)) {
            #(#runs)*
        }

        /// What tests need that there is not, and their names.
        pub const LEFT_OUT: &[(&str, &str)] = &[#(#left_out),*];
    };
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("suite.rs"), prettyplease::unparse(&syn::parse2(suite)?))?;
    place(&out)?;
    Ok(())
}

/// The names of tests, by what they need.
type LeftOut = BTreeMap<&'static str, Vec<String>>;

/// What is in a file, with the files of its modules in their places.
struct File {
    /// When it is there at all.
    cfgs: Vec<Attribute>,
    items: Vec<Item>,
}

fn parse(path: &Path) -> Result<File, Box<dyn Error>> {
    let mut file = syn::parse_file(&fs::read_to_string(path)?)?;
    Conditions.visit_file_mut(&mut file);
    for item in &mut file.items {
        let Item::Mod(module) = item else { continue };
        if module.content.is_none() {
            let named = module.attrs.iter().find_map(path_of);
            let named = named.unwrap_or_else(|| format!("{}.rs", module.ident));
            let inner = parse(&path.with_file_name(named))?;
            module.attrs.retain(|attribute| !attribute.path().is_ident("path"));
            module.content = Some((syn::token::Brace::default(), inner.items));
        }
    }
    let cfgs = file.attrs.into_iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let cfgs = cfgs.map(|attribute| Attribute { style: syn::AttrStyle::Outer, ..attribute }).collect();
    Ok(File { cfgs, items: file.items })
}

fn path_of(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Takes away what is said for tools that do not run here.
struct Conditions;

impl VisitMut for Conditions {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| !attribute.path().is_ident("cfg_attr"));
    }
}

/// Takes away what says a missing name, which makes its own name a missing one. Says whether there was anything.
fn prune(
    place: &str,
    items: &mut Vec<Item>,
    missing: &mut BTreeMap<String, &'static str>,
    left_out: &mut LeftOut,
) -> bool {
    let before = missing.len();
    items.retain_mut(|item| {
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = &mut module.content {
                    prune(&format!("{place}::{}", module.ident), items, missing, left_out);
                }
                return true;
            }
            Item::Use(import) => return keep(&mut import.tree, missing),
            _ => {}
        }
        let mut names = Names::default();
        names.visit_item(item);
        let Some(what) = names.0.iter().find_map(|name| missing.get(name).copied()) else { return true };
        if let Some(test) = test_name(item) {
            left_out.entry(what).or_default().push(format!("{place}::{test}"));
        }
        missing.extend(defined(item, &names.0).into_iter().map(|name| (name, what)));
        false
    });
    missing.len() > before
}

/// The names that an item defines, of which these are all names.
fn defined(item: &Item, names: &[String]) -> Vec<String> {
    let name = match item {
        Item::Fn(function) => &function.sig.ident,
        Item::Struct(item) => &item.ident,
        Item::Const(item) => &item.ident,
        Item::Static(item) => &item.ident,
        // The statics of `static_pool!`.
        Item::Macro(_) => {
            let is_static = |name: &&String| name.chars().all(|letter| letter.is_ascii_uppercase());
            return names.iter().filter(is_static).cloned().collect();
        }
        _ => return Vec::new(),
    };
    vec![name.to_string()]
}

/// Takes missing names away from an import. Says whether anything is left of it.
fn keep(tree: &mut UseTree, missing: &BTreeMap<String, &'static str>) -> bool {
    let has = |name: &Ident| !missing.contains_key(&name.to_string());
    match tree {
        UseTree::Path(path) => has(&path.ident) && keep(&mut path.tree, missing),
        UseTree::Name(name) => has(&name.ident),
        UseTree::Rename(rename) => has(&rename.ident),
        UseTree::Glob(_) => true,
        UseTree::Group(group) => {
            let kept = std::mem::take(&mut group.items).into_iter();
            group.items = kept.filter_map(|mut tree| keep(&mut tree, missing).then_some(tree)).collect();
            !group.items.is_empty()
        }
    }
}

/// Every name in a piece of code, those in macros too.
#[derive(Default)]
struct Names(Vec<String>);

impl Visit<'_> for Names {
    fn visit_ident(&mut self, name: &Ident) {
        self.0.push(name.to_string());
    }

    fn visit_token_stream(&mut self, tokens: &proc_macro2::TokenStream) {
        for token in tokens.clone() {
            match token {
                proc_macro2::TokenTree::Group(group) => self.visit_token_stream(&group.stream()),
                proc_macro2::TokenTree::Ident(name) => self.visit_ident(&name),
                _ => {}
            }
        }
    }
}

fn test_name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Fn(function) if function.attrs.iter().any(is_test) => Some(&function.sig.ident),
        _ => None,
    }
}

fn is_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("test")
}

/// A module's items, and a function that has all its tests called.
fn program(place: &str, items: &[Item]) -> proc_macro2::TokenStream {
    let (mut body, mut runs) = (Vec::new(), Vec::new());
    for item in items {
        let cfgs = |attributes: &[Attribute]| -> Vec<_> {
            attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
        };
        match item {
            Item::Mod(module) => {
                let (ident, cfgs) = (&module.ident, cfgs(&module.attrs));
                let items = module.content.as_ref().map_or(&[][..], |(_, items)| items);
                let inner = program(&format!("{place}::{ident}"), items);
                body.push(quote!(#(#cfgs)* mod #ident { #inner }));
                runs.push(quote!(#(#cfgs)* #ident::run_tests(run);));
            }
            Item::Fn(function) if function.attrs.iter().any(is_test) => {
                let (ident, cfgs) = (&function.sig.ident, cfgs(&function.attrs));
                let name = format!("{place}::{ident}");
                let mut function = function.clone();
                function.attrs.retain(|attribute| !is_test(attribute));
                body.push(function.into_token_stream());
                runs.push(quote!(#(#cfgs)* run(&(#name, #ident as fn()));));
            }
            _ => body.push(item.into_token_stream()),
        }
    }
    quote! {
        use std::bare_prelude::*;
        #(#body)*
        pub fn run_tests(run: &mut dyn FnMut(&'static crate::suite::Test)) { #(#runs)* }
    }
}

/// Says where the emulated board's memory lies: `mps2-an386`, whose processor runs what the smaller ones run, or `virt`.
fn place(out: &Path) -> Result<(), Box<dyn Error>> {
    let is_arm = env::var("CARGO_CFG_TARGET_ARCH")? == "arm";
    let memory = if is_arm {
        "FLASH : ORIGIN = 0, LENGTH = 4M\nRAM : ORIGIN = 0x21000000, LENGTH = 16M"
    } else {
        "FLASH : ORIGIN = 0x80000000, LENGTH = 4M\nRAM : ORIGIN = 0x80400000, LENGTH = 16M"
    };
    let aliases = ["TEXT", "RODATA", "DATA", "BSS", "HEAP", "STACK"].map(|region| {
        let place = if matches!(region, "TEXT" | "RODATA") { "FLASH" } else { "RAM" };
        format!("REGION_ALIAS(\"REGION_{region}\", {place});\n")
    });
    let aliases = if is_arm { String::new() } else { aliases.concat() };
    fs::write(out.join("memory.x"), format!("MEMORY {{\n{memory}\n}}\n{aliases}"))?;
    println!("cargo::rustc-link-search={}", out.display());
    if !is_arm {
        println!("cargo::rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    Ok(())
}
