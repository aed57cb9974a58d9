#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <semaphore>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include <steward/client/reference.hpp>
#include <steward/client/state.hpp>
#include <steward/core/errors.hpp>
#include <steward/tests/client/fake_house.hpp>
#include <steward/tests/client/programs.hpp>

namespace {

using namespace steward;

int post_and_end(const char* address) {
  constexpr std::uint64_t kList = 3;
  // As one at namespace scope: its destructor runs after the exit handler.
  static const detail::core::ReferencePtr late = [&] {
    const detail::client::SessionPtr session = detail::client::connect(address);
    return session->claim(detail::test::list_token(session->incarnation(), kList));
  }();
  const std::string seven = detail::test::arguments({detail::test::encoded(std::int64_t{7})});
  detail::client::session_of(late)->post(detail::core::ObjectId{kList}, "add", seven);
  return 0;
}

std::binary_semaphore told_of_an_end{0};
detail::client::SessionPtr waited_at;

int wait_and_end(const char* address) {
  constexpr detail::core::ObjectId kList{3};
  // Runs after the exit handler of the library, as the destructors of most statics.
  std::atexit([] {
    try {
      const std::string one = detail::test::arguments({detail::test::encoded(std::int64_t{1})});
      waited_at->call(kList, "add", one, {});
    } catch (const std::exception&) {
      ::_exit(4);
    }
    if (told_of_an_end.try_acquire_for(std::chrono::milliseconds(100))) ::_exit(3);
  });
  waited_at = detail::client::connect(address);
  std::thread([] {
    try {
      waited_at->call(kList, "park", detail::test::arguments({}), {});
    } catch (const std::exception&) {
    }
    told_of_an_end.release();
  }).detach();
  char letter;
  while (::read(STDIN_FILENO, &letter, 1) > 0) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == detail::test::kPostAndEnd)
    return post_and_end(argv[2]);
  if (argc == 3 && std::string_view(argv[1]) == detail::test::kWaitAndEnd)
    return wait_and_end(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
