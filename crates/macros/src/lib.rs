//! The attribute `#[trenza::test]`. What it expands to is a call of `trenza::testing`, where everything else is.

mod terms;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{ToTokens, quote};
use std::mem;
use syn::{ItemFn, Visibility, parse_macro_input};
use terms::Terms;

/// Makes a test of a function that gets a reactor. `trenza::testing` says when such a test fails.
///
/// ```text
/// #[trenza::test]                            the real driver, 10 s of wall time
/// #[trenza::test(time = "2s")]               "250ms", "2s", "1m"
/// #[trenza::test(sim)]                       the simulator, some seeds, 10 s of virtual time each
/// #[trenza::test(sim, seeds = 0..500)]       these seeds: any `Range<u64>`
/// ```
///
/// The function is `async fn(Reactor) -> Result`, whose end is the end of the test; or `fn(&Reactor) -> Result`,
/// which sets something up, and then the test lasts until nothing is left of it.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let terms = parse_macro_input!(arguments as Terms);
    let function = parse_macro_input!(item as ItemFn);
    expand(&terms, function).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(terms: &Terms, mut function: ItemFn) -> syn::Result<Tokens> {
    let sig = &function.sig;
    if sig.inputs.len() != 1 {
        let what = "a test gets its reactor: `async fn(Reactor) -> Result` or `fn(&Reactor) -> Result`";
        return Err(syn::Error::new_spanned(sig, what));
    }
    let name = sig.ident.clone();
    let millis = terms.millis;
    let trial = quote!(::trenza::testing::Trial::new(::core::time::Duration::from_millis(#millis)));
    let (trial, test) = match sig.asyncness {
        Some(_) => (trial, name.to_token_stream()),
        None => (quote!(#trial.until_idle()), quote!(async |reactor| #name(&reactor))),
    };
    let run = match (&terms.seeds, terms.simulated) {
        (_, false) => quote!(#trial.check(#test)),
        (None, true) => quote!(#trial.check_seeds(::trenza::testing::SEEDS, #test)),
        (Some(seeds), true) => quote!(#trial.check_seeds(#seeds, #test)),
    };
    // They are the test's.
    let attrs = mem::take(&mut function.attrs);
    let vis = mem::replace(&mut function.vis, Visibility::Inherited);
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis fn #name() {
            #function
            #run
        }
    })
}

#[cfg(test)]
mod tests {
    // Not all of it: `test` would be the attribute of this crate.
    use super::expand;
    use syn::parse_str;

    fn expanded(arguments: &str, function: &str) -> syn::Result<String> {
        let tokens = expand(&parse_str(arguments)?, parse_str(function)?)?;
        Ok(tokens.to_string().replace(' ', ""))
    }

    #[test]
    fn a_coroutine_and_callbacks_run_where_they_are_told_to() {
        let coroutine = "async fn f(reactor: Reactor) -> Result { Ok(()) }";
        let callbacks = "fn f(reactor: &Reactor) -> Result { Ok(()) }";
        for (arguments, function, call) in [
            ("", coroutine, "from_millis(10000u64)).check(f)"),
            ("time = \"2s\"", coroutine, "from_millis(2000u64)).check(f)"),
            ("sim", coroutine, ".check_seeds(::trenza::testing::SEEDS,f)"),
            ("sim, seeds = 3..9", coroutine, ".check_seeds(3..9,f)"),
            ("", callbacks, ".until_idle().check(async|reactor|f(&reactor))"),
        ] {
            let test = expanded(arguments, function).unwrap();
            assert!(test.starts_with("#[::core::prelude::v1::test]fnf(){") && test.contains(call), "{test}");
        }
    }

    #[test]
    fn attributes_and_visibility_belong_to_the_test() {
        let test = expanded("", "#[should_panic] pub async fn f(r: Reactor) -> Result { g() }").unwrap();
        assert!(test.contains("#[should_panic]pubfnf(){asyncfnf(r:Reactor)"), "{test}");
    }

    #[test]
    fn a_function_without_a_reactor_is_told_what_a_test_looks_like() {
        let error = expanded("", "async fn f() {}").unwrap_err().to_string();
        assert!(error.contains("`async fn(Reactor) -> Result`"), "{error}");
    }
}
