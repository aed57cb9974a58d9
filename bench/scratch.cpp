#include <steward/bench/scratch.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace steward::bench {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Scratch::Scratch() {
  directory_ = (std::filesystem::temp_directory_path() / "steward-bench-XXXXXX").string();
  if (::mkdtemp(directory_.data()) == nullptr) fail("cannot make " + directory_);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

SharedPage::SharedPage(std::string name, Name at_end) : name_(std::move(name)), at_end_(at_end) {
  const int fd = ::shm_open(name_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) fail("cannot make the shared page " + name_);
  if (::ftruncate(fd, sizeof(Words)) != 0) fail("cannot size the shared page " + name_);
  void* memory = ::mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED) fail("cannot map the shared page " + name_);
  // Zero is the state that both begin with: nothing is constructed twice.
  words_ = static_cast<Words*>(memory);
}

SharedPage::~SharedPage() {
  ::munmap(words_, sizeof(Words));
  if (at_end_ == Name::remove) remove_name();
}

void SharedPage::remove_name() {
  ::shm_unlink(name_.c_str());
  at_end_ = Name::keep;
}

}  // namespace steward::bench
