// How much memory a call asks for: whoever makes millions of them pays for each.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <new>

#include <steward/client/reference.hpp>
#include <steward/tests/client/fake_house.hpp>

namespace {

thread_local std::size_t allocations = 0;  // of this thread

void* allocate(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace steward::test {
namespace {

TEST(Allocations, OfASmallCallAreOneAtMost) {
  FakeHouse house;
  const client::SessionPtr session = client::connect(house.address());
  const std::string args = arguments({encoded(std::int64_t{7})});
  client::CallOptions options;
  options.effect = client::Effect::read;
  const auto call = [&] { session->call(core::ObjectId{3}, "echo", args, options); };
  for (int i = 0; i < 100; ++i) call();
  constexpr std::size_t kCalls = 1000;
  const std::size_t before = allocations;
  for (std::size_t i = 0; i < kCalls; ++i) call();
  EXPECT_LE(allocations - before, kCalls);
  client::end_all_sessions(std::chrono::seconds(5));
}

}  // namespace
}  // namespace steward::test
