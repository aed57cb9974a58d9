// How processes come to be.
#pragma once

namespace steward {

enum class StartMethod {
  fork_server,  // forked from a copy of the program that was made while it had one thread
  spawn,        // this program executed anew; main() must call child_entry() first
  fork,         // forked from the program as it stands
};

// What a Process without the option uses. Throws BadCall if it is not available.
void set_start_method(StartMethod method);

// First line of main() in a program that uses StartMethod::spawn: in a process that was started so
// it runs the target and does not return, in the program itself it does nothing.
void child_entry(int argc, char** argv);

}  // namespace steward
