//! One user program, built with and without the kit.

fn main() {
    clew::tracing::info!("hello");
}
