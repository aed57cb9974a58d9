// What a run needs for its time only: a directory for sockets, and pages that processes share.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace steward::bench {

// A private directory, removed with everything in it. A resource; the process that made it owns it.
class Scratch {
 public:
  Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

 private:
  std::string directory_;
};

// Words that two processes see, each on cache lines of its own.
struct Words {
  alignas(128) std::atomic<std::uint32_t> near{0};
  alignas(128) std::atomic<std::uint32_t> far{0};
};

// Maps the page of that name (as in shm_open), which the first one makes. A resource; whoever is
// told to removes the name, at the end or when all have the page that need it.
class SharedPage {
 public:
  enum class Name { keep, remove };
  explicit SharedPage(std::string name, Name at_end = Name::keep);
  SharedPage(const SharedPage&) = delete;
  SharedPage& operator=(const SharedPage&) = delete;
  ~SharedPage();

  Words& words() const { return *words_; }
  const std::string& name() const { return name_; }
  void remove_name();

 private:
  std::string name_;
  Name at_end_;
  Words* words_;
};

}  // namespace steward::bench
