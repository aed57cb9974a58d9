// StartMethod: how a new process is made, and the functions that choose it.
#pragma once

namespace steward {

enum class StartMethod {
  // Forked from a copy of the program that was made while it had one thread. The default, unless a
  // program had other threads before its first process and has called child_entry(): then `spawn`.
  fork_server,
  // This program executed anew, with nothing of what it has done since: main() must call
  // child_entry() first, and the target must be a function of the program or of a library that it
  // is linked to.
  spawn,
  // Forked from the program as it stands, with all its memory and descriptors: so the target may be
  // a lambda with captures. Where the program has other threads, a lock that one of them holds at
  // that moment stays locked in the process for ever; the standard library's allocator and streams
  // and the sessions of this library handle their own locks.
  fork,
};

// What a Process without the option uses, here and in the processes that are started from here.
// Throws BadCall if the method is `spawn` and child_entry() has not been called.
void set_start_method(StartMethod method);

// First line of main() in a program that uses StartMethod::spawn: in a process that was started so
// it runs the target and does not return, in the program itself it does nothing.
void child_entry(int argc, char** argv);

}  // namespace steward
