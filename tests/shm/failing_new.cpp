#include <steward/tests/shm/failing_new.hpp>

#include <atomic>
#include <cstdlib>
#include <new>

namespace steward::detail::test {
namespace {

thread_local std::size_t left = 0;  // 0: nothing fails
thread_local bool failed = false;
thread_local bool spared = false;
std::atomic<bool> elsewhere = false;

}  // namespace

FailingNew::FailingNew(std::size_t n) {
  failed = false;
  left = n;
}

FailingNew::~FailingNew() { left = 0; }

bool FailingNew::has_failed() const { return failed; }

bool FailingNew::works() {
  const FailingNew failing(1);
  try {
    void* volatile memory = ::operator new(1);
    ::operator delete(memory);
    return false;
  } catch (const std::bad_alloc&) {
    return true;
  }
}

FailingNewElsewhere::FailingNewElsewhere() {
  spared = true;
  elsewhere = true;
}

FailingNewElsewhere::~FailingNewElsewhere() {
  elsewhere = false;
  spared = false;
}

}  // namespace steward::detail::test

void* operator new(std::size_t bytes) {
  using namespace steward::detail::test;
  if (left > 0 && --left == 0) {
    failed = true;
    throw std::bad_alloc();
  }
  if (elsewhere && !spared) throw std::bad_alloc();
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
// As the default one, but for a sanitizer that has one of its own.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return ::operator new(bytes);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
