#include <steward/tests/simulation/seeded_bytes.hpp>

#include <cstddef>
#include <stdexcept>

#include <sodium.h>

#include <steward/tests/split_mix.hpp>

namespace steward::detail::simulation {
namespace {

test::Random the_random{0};

const char* name() { return "simulation"; }
std::uint32_t word() { return static_cast<std::uint32_t>(the_random.next()); }
void fill(void* bytes, const std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    static_cast<unsigned char*>(bytes)[i] = static_cast<unsigned char>(the_random.next());
  }
}

}  // namespace

void seed_random_bytes(std::uint64_t seed) {
  // Which takes random bytes itself, the first time.
  if (sodium_init() < 0) throw std::runtime_error("libsodium could not be initialised");
  static randombytes_implementation ours{name, word, nullptr, nullptr, fill, nullptr};
  the_random = test::Random(seed);
  randombytes_set_implementation(&ours);
}

}  // namespace steward::detail::simulation
