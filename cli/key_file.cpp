#include <steward/cli/key_file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include <steward/cli/usage.hpp>

namespace steward::cli {
namespace {

constexpr std::size_t kKeyBytesMax = 4096;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void unreadable(const std::string& path) {
  throw UsageError("cannot read the key file " + path + ": " +
                   std::generic_category().message(errno));
}

}  // namespace

std::string read_key(const std::string& path) {
  // Not waiting for the writer of a pipe. What was opened is what is judged.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) unreadable(path);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) unreadable(path);
  if (!S_ISREG(status.st_mode)) throw UsageError("the key file " + path + " is no regular file");
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    throw UsageError("the key file " + path + " belongs to user " +
                     std::to_string(status.st_uid) + ", not to this one");
  }
  if ((status.st_mode & kOthers) != 0) {
    throw UsageError("the key file " + path + " is open to others: chmod 600 " + path);
  }
  std::string key;
  std::array<char, kKeyBytesMax> piece{};
  for (ssize_t size = 0; (size = ::read(file.get(), piece.data(), piece.size())) != 0;) {
    if (size < 0) unreadable(path);
    key.append(piece.data(), static_cast<std::size_t>(size));
    if (key.size() > kKeyBytesMax) {
      throw UsageError("the key file " + path + " has more than " + std::to_string(kKeyBytesMax) +
                       " bytes");
    }
  }
  if (key.ends_with('\n')) key.pop_back();
  if (key.empty()) throw UsageError("the key file " + path + " is empty");
  return key;
}

}  // namespace steward::cli
