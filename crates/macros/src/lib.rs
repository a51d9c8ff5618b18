//! The attribute `#[trenza::test]`. What it expands to is a call of `trenza::testing`, where everything else is.

mod terms;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{ToTokens, quote};
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
    expand(&terms, &function).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(terms: &Terms, function: &ItemFn) -> syn::Result<Tokens> {
    let ItemFn { attrs, vis, sig, .. } = function;
    if sig.inputs.len() != 1 {
        let what = "a test gets its reactor: `async fn(Reactor) -> Result` or `fn(&Reactor) -> Result`";
        return Err(syn::Error::new_spanned(sig, what));
    }
    let name = &sig.ident;
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
    let inner = ItemFn { attrs: Vec::new(), vis: Visibility::Inherited, ..function.clone() };
    Ok(quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis fn #name() {
            #inner
            #run
        }
    })
}
