//! A bounded broadcast channel of tokio whose messages carry the context of their sender: each receiver processes its copy in a root of
//! its own with a link to the sender's span. See [`crate::mpsc`].

use tokio::sync::broadcast;

pub use tokio::sync::broadcast::error;

use crate::task::Message;

/// Makes a channel that holds at most `capacity` messages for the slowest receiver.
///
/// # Panics
/// When `capacity` is zero or over `usize::MAX / 2`.
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = broadcast::channel(capacity);
    (Sender(sender), Receiver(receiver))
}

/// The sending end.
#[derive(Debug)]
pub struct Sender<T>(broadcast::Sender<Message<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T: Clone> Sender<T> {
    /// Sends a value with the current context to every receiver; returns how many there are.
    ///
    /// # Errors
    /// Gives the value back when there is no receiver.
    pub fn send(&self, value: T) -> Result<usize, error::SendError<T>> {
        self.0.send(Message::new(value, false)).map_err(|error| error::SendError(error.0.into_inner()))
    }

    /// A new receiver, for what is sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver(self.0.subscribe())
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<T>(broadcast::Receiver<Message<T>>);

impl<T: Clone> Receiver<T> {
    /// The next message. Safe to cancel.
    ///
    /// # Errors
    /// When all senders are gone, or this receiver was so slow that messages were lost.
    pub async fn recv(&mut self) -> Result<Message<T>, error::RecvError> {
        self.0.recv().await
    }

    /// The next message, if there is one now.
    ///
    /// # Errors
    /// When the channel is empty, all senders are gone, or messages were lost.
    pub fn try_recv(&mut self) -> Result<Message<T>, error::TryRecvError> {
        self.0.try_recv()
    }
}
