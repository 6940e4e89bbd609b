//! Files that grow: read line by line, and watched by one thread.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// A file that is read line by line as it grows.
#[derive(Debug)]
pub struct Tail {
    file: File,
    /// The beginning of a line whose end was not written yet.
    partial: Vec<u8>,
    /// What is read goes here first. Kept, because a busy node's file grows many times a second.
    chunk: Vec<u8>,
}

/// As much is read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

impl Tail {
    /// # Errors
    /// The file cannot be opened.
    pub fn from_start(path: &Path) -> io::Result<Tail> {
        Ok(Tail {
            file: File::open(path)?,
            partial: Vec::new(),
            chunk: Vec::new(),
        })
    }

    /// Skips what is there already. A file that does not exist is made.
    ///
    /// # Errors
    /// The file or its directory cannot be made or opened.
    pub fn from_end(path: &Path) -> io::Result<Tail> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Tail {
            file,
            partial: Vec::new(),
            chunk: Vec::new(),
        })
    }

    /// Calls `each` with every line that was completed since the last call, without its end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.chunk.resize(CHUNK_BYTES, 0);
        loop {
            let count = self.file.read(&mut self.chunk)?;
            if count == 0 {
                return Ok(());
            }
            let mut rest = &self.chunk[..count];
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                if self.partial.is_empty() {
                    each(&rest[..end]);
                } else {
                    self.partial.extend_from_slice(&rest[..end]);
                    each(&self.partial);
                    self.partial.clear();
                }
                rest = &rest[end + 1..];
            }
            self.partial.extend_from_slice(rest);
        }
    }

    /// The last line, if the file ends without a line end.
    pub fn unfinished(&self) -> Option<&[u8]> {
        (!self.partial.is_empty()).then_some(&self.partial)
    }
}

/// The last `count` lines of a text file; none when it cannot be read.
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    const AT_MOST: u64 = 64 * 1024;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(AT_MOST)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(count);
    lines[from..].iter().map(|line| line.to_string()).collect()
}

/// One thread that follows any number of growing files.
#[derive(Debug)]
pub struct Watcher<Key> {
    orders: Option<Sender<(Key, Tail, PathBuf)>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl<Key: Clone + Send + 'static> Watcher<Key> {
    /// Starts the thread. It calls `lines` with the key of a file and the lines that it grew by,
    /// until the watcher is dropped or `lines` returns false.
    ///
    /// # Errors
    /// The system has no inotify instance left (`fs.inotify.max_user_instances`).
    pub fn start(
        mut lines: impl FnMut(&Key, &mut Tail) -> bool + Send + 'static,
    ) -> io::Result<Watcher<Key>> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let (wake, woken) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let (orders, incoming) = channel();
        let thread = thread::Builder::new()
            .name("watcher".into())
            .spawn(move || {
                if let Err(error) = watch(&inotify, woken, &incoming, &mut lines) {
                    crate::output::note(&format!(
                        "warning: the nodes' files are no longer watched: {error}"
                    ));
                }
            })?;
        Ok(Watcher {
            orders: Some(orders),
            wake,
            thread: Some(thread),
        })
    }

    /// Follows one more file. Lines that it has beyond the tail's place come at once.
    pub fn follow(&mut self, key: Key, tail: Tail, path: &Path) {
        // A thread that ended has nobody to report to either.
        if let Some(orders) = &self.orders
            && orders.send((key, tail, path.to_owned())).is_ok()
        {
            let _ = self.wake.write_all(b"!");
        }
    }
}

impl<Key> Drop for Watcher<Key> {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.wake.write_all(b"!");
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch<Key>(
    inotify: &Inotify,
    mut woken: UnixStream,
    incoming: &Receiver<(Key, Tail, PathBuf)>,
    lines: &mut impl FnMut(&Key, &mut Tail) -> bool,
) -> io::Result<()> {
    let mut files: Vec<(Key, Tail)> = Vec::new();
    // Watch descriptors are given in ascending order, one a file.
    let mut watches = Vec::new();
    loop {
        let mut ready = [
            PollFd::new(inotify.as_fd(), PollFlags::POLLIN),
            PollFd::new(woken.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }

        let mut scratch = [0; 64];
        while woken.read(&mut scratch).is_ok_and(|count| count > 0) {}
        loop {
            match incoming.try_recv() {
                Ok((key, mut tail, path)) => {
                    // The watch comes before the first read: nothing can fall in between.
                    let watch = inotify.add_watch(&path, AddWatchFlags::IN_MODIFY)?;
                    if !lines(&key, &mut tail) {
                        return Ok(());
                    }
                    watches.push(watch);
                    files.push((key, tail));
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }

        let events = match inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let overflowed = events
            .iter()
            .any(|event| event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW));
        for (watch, (key, tail)) in watches.iter().zip(&mut files) {
            if (overflowed || events.iter().any(|event| event.wd == *watch)) && !lines(key, tail) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("open");
        file.write_all(text.as_bytes()).expect("write");
    }

    fn texts(tail: &mut Tail) -> Vec<String> {
        let mut lines = Vec::new();
        tail.read(|line| lines.push(String::from_utf8_lossy(line).into_owned()))
            .expect("read");
        lines
    }

    #[test]
    fn lines_come_when_they_are_complete() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("events.jsonl");
        append(&path, "one\ntw");
        let mut tail = Tail::from_start(&path).expect("open");
        assert_eq!(texts(&mut tail), ["one"]);
        assert_eq!(tail.unfinished(), Some(&b"tw"[..]));
        append(&path, "o\n\nthree\n");
        assert_eq!(texts(&mut tail), ["two", "", "three"]);
        assert_eq!(texts(&mut tail), [""; 0]);
        append(&path, "four\n");
        assert_eq!(
            texts(&mut Tail::from_end(&path).expect("open")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_watcher_sees_old_and_new_lines_of_all_files() {
        let dir = tempfile::tempdir().expect("temp dir");
        let (first, second) = (dir.path().join("a"), dir.path().join("b"));
        append(&first, "a1\n");
        append(&second, "");
        let (sender, seen) = channel();
        let mut watcher = Watcher::start(move |key: &&str, tail| {
            for line in texts(tail) {
                let _ = sender.send(format!("{key} {line}"));
            }
            true
        })
        .expect("watcher");
        let next = || seen.recv_timeout(Duration::from_secs(10)).expect("a line");
        watcher.follow("first", Tail::from_start(&first).expect("open"), &first);
        assert_eq!(next(), "first a1");
        watcher.follow("second", Tail::from_start(&second).expect("open"), &second);
        append(&second, "b1\nb2\n");
        assert_eq!(next(), "second b1");
        assert_eq!(next(), "second b2");
        append(&first, "a2\n");
        assert_eq!(next(), "first a2");
        drop(watcher);
        assert!(seen.recv().is_err(), "the thread ended with the watcher");
    }

    #[test]
    fn the_last_lines_of_a_file() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("stderr.log");
        assert_eq!(last_lines(&path, 2), Vec::<String>::new());
        append(&path, "one\ntwo\n\nthree");
        assert_eq!(last_lines(&path, 2), ["two", "three"]);
    }
}
