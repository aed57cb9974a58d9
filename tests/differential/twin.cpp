#include <steward/tests/differential/twin.hpp>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace steward::detail::test {

Twin::Twin(const char* kind) {
  int to[2];
  int from[2];
  if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  pid_ = ::fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    ::dup2(to[0], STDIN_FILENO);
    ::dup2(from[1], STDOUT_FILENO);
    ::execl(STEWARD_PYTHON, STEWARD_PYTHON, "-X", "utf8", STEWARD_TWIN, kind, nullptr);
    ::_exit(127);
  }
  ::close(to[0]);
  ::close(from[1]);
  to_ = ::fdopen(to[1], "w");
  from_ = ::fdopen(from[0], "r");
}

Twin::~Twin() {
  std::fclose(to_);  // the end of its input is the end of it
  std::fclose(from_);
  ::waitpid(pid_, nullptr, 0);
}

std::string Twin::answer(const std::string& operation, const Value::List& arguments) {
  Value::List line{operation};
  line.insert(line.end(), arguments.begin(), arguments.end());
  std::fprintf(to_, "%s\n", Value(line).json().c_str());
  std::fflush(to_);
  char* text = nullptr;
  std::size_t capacity = 0;
  const ssize_t size = ::getline(&text, &capacity, from_);
  std::string answer = size > 0 ? std::string(text, static_cast<std::size_t>(size - 1)) : "gone";
  std::free(text);
  return answer;
}

}  // namespace steward::detail::test
