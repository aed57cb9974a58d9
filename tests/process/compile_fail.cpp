// What a Process refuses to run. CASE 0 compiles.
#include <steward/process/passed_fd.hpp>
#include <steward/process/process_of.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace {

struct Opaque {
  std::string text;
};
struct Borrower {
  int size;
  const char* text;
};

class Secretive : public steward::ProcessOf<Secretive> {
 public:
  void run() override {}
  std::string secret;
};

void greet(const std::string&, int) {}
[[maybe_unused]] void take_opaque(const Opaque&) {}
[[maybe_unused]] void take_pointer(const char*) {}
[[maybe_unused]] void count_up(int& x) { ++x; }
[[maybe_unused]] void take_view(std::string_view) {}
[[maybe_unused]] void take_borrower(Borrower) {}
[[maybe_unused]] void take_file(steward::detail::process::PassedFd) {}
[[maybe_unused]] void take_vector(std::vector<int>) {}

}  // namespace

void build() {
#if CASE == 0
  steward::Process good(greet, "Ada", 3);
  steward::Process with_options({.name = "w"}, [](int) {}, 3);
  const std::string name = "Ada";
  steward::Process capturing({.start_method = steward::StartMethod::fork}, [&] { greet(name, 1); });
  steward::detail::process::PassedFd given;
  steward::Process with_file(take_file, std::move(given));
#elif CASE == 1
  const std::string name = "Ada";
  steward::Process capturing([name] { greet(name, 1); });
#elif CASE == 2
  steward::Process erased(std::function<void()>([] {}));
#elif CASE == 3
  steward::Process too_few(greet, "Ada");
#elif CASE == 4
  steward::Process wrong(greet, 3, "Ada");
#elif CASE == 5
  steward::Process opaque(take_opaque, Opaque{});
#elif CASE == 6
  steward::Process pointer(take_pointer, "text");
#elif CASE == 7
  steward::Process view(take_view, "text");
#elif CASE == 8
  steward::Process by_explicit_conversion(take_vector, 5);
#elif CASE == 9
  steward::Process copied = steward::Process(greet, "Ada", 3);
  steward::Process copy(copied);
#elif CASE == 10
  steward::detail::process::PassedFd file;
  steward::Process not_moved(take_file, file);
#elif CASE == 11
  steward::Process bound({.name = "w"}, &Opaque::text);
#elif CASE == 12
  Secretive worker;
  worker.start();
#elif CASE == 13
  int counter = 1;
  steward::Process writing(count_up, counter);
#elif CASE == 14
  steward::Process bound(std::bind(greet, "Ada", 3));
#elif CASE == 15
  steward::Process borrower(take_borrower, Borrower{4, "text"});
#endif
}
