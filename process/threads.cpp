#include <steward/process/threads.hpp>

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include <steward/core/own_threads.hpp>

namespace steward::detail::process {
namespace {

#if defined(__SANITIZE_THREAD__)
#define STEWARD_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STEWARD_THREAD_SANITIZER
#endif
#endif

#ifdef STEWARD_THREAD_SANITIZER
// Its own threads, of which there may be none, one or two, block every signal but SIGSYS; nothing
// else tells them from others. They run no code of the program.
bool is_sanitizers(const std::string& task) {
  std::ifstream status(task + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigBlk:")) return line.ends_with("fffffffe3ffbfeff");
  }
  return true;  // it has just ended
}
#else
bool is_sanitizers(const std::string&) { return false; }
#endif

std::string name_of(const std::string& task) {
  std::ifstream file(task + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

// Those that a connection has brought along (ZeroMQ's, the renewal of a remote session), that of a
// Listener over tcp, and those of pools. Around a fork nothing of theirs is locked that the
// child could need.
bool is_name_of_ours(std::string_view name) {
  return name.find("ZMQbg/") != std::string_view::npos || name.starts_with(core::kOwnThread);
}

bool is_this_one_ours() {
  if (::gettid() == ::getpid()) return false;
  std::array<char, 16> name{};
  ::pthread_getname_np(::pthread_self(), name.data(), name.size());
  return is_name_of_ours(name.data());
}

// This one among them, if it is one.
int programs_threads() {
  const std::string all = "/proc/self/task/";
  // Not a std::filesystem::directory_iterator: the library's ends the program for want of memory.
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir(all.c_str()), ::closedir);
  // Without /proc nothing is known: the program is trusted.
  if (!tasks) return is_this_one_ours() ? 0 : 1;
  // A program may be called as one of our threads is, and its threads with it.
  const std::string programs = name_of(all + std::to_string(::getpid()));
  int count = 0;
  while (const dirent* entry = ::readdir(tasks.get())) {
    const std::string task = all + entry->d_name;
    if (entry->d_name[0] == '.' || is_sanitizers(task)) continue;
    const std::string name = name_of(task);
    if (name == programs || !is_name_of_ours(name)) ++count;
  }
  return count;
}

}  // namespace

int other_threads() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  for (;;) {
    const int others = std::max(0, programs_threads() - (is_this_one_ours() ? 0 : 1));
    if (others == 0 || std::chrono::steady_clock::now() >= end) return others;
    ::poll(nullptr, 0, 1);  // not sleep_for(): where signals come all the time, that never returns
  }
}

}  // namespace steward::detail::process
