// Draws the Mandelbrot set into a PNG or PPM file.
//
//   mandelbrot [--width N] [--height N] [--depth N] [--processes N] [--file NAME]
//
// Every row is a call of its own. imap gives them in order while others are still computed, so that
// the picture can be written from the top; rows of the black middle take long, which evens out.
#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <steward/examples/png.hpp>
#include <steward/examples/support.hpp>
#include <steward/steward.hpp>

using namespace steward;
using namespace examples;

namespace {

constexpr std::string_view kUsage =
    "mandelbrot [--width N] [--height N] [--depth N] [--processes N] [--file NAME]\n"
    "  --width N --height N   of the picture; 960 and 640 if not given\n"
    "  --depth N              after so many steps a point counts as inside; 2000 if not given\n"
    "  --processes N          as many as there are processors if not given\n"
    "  --file NAME            NAME.png or NAME.ppm; mandelbrot.png if not given\n";

struct Picture {
  int width = 0;
  int height = 0;
  int depth = 0;

  // Of a pixel's middle. The picture is as wide as 3 and has the real axis in its middle.
  std::complex<double> at(int x, int y) const {
    const double pixel = 3.0 / width;
    return {-2.25 + (x + 0.5) * pixel, (0.5 * height - y - 0.5) * pixel};
  }
  MSGPACK_DEFINE(width, height, depth)
};

// A whole number is not smooth: the colours would have steps. Negative: inside.
double escape(std::complex<double> c, int depth) {
  double x = 0;
  double y = 0;
  for (int step = 0; step < depth; ++step) {
    const double xx = x * x;
    const double yy = y * y;
    if (xx + yy > 256) return step - std::log2(std::log2(xx + yy) / 2);
    y = 2 * x * y + c.imag();
    x = xx - yy + c.real();
  }
  return -1;
}

std::array<char, 3> colour(double escaped) {
  if (escaped < 0) return {0, 0, 0};
  const double t = std::log1p(std::max(escaped, 0.0));
  const auto channel = [&](double shift) {
    return static_cast<char>(static_cast<unsigned char>(127.5 + 127.5 * std::sin(1.9 * t + shift)));
  };
  return {channel(4.2), channel(3.4), channel(2.6)};
}

// Computes a row: red, green and blue of each pixel.
struct Render {
  Picture picture;

  std::string operator()(int y) const {
    std::string row;
    for (int x = 0; x < picture.width; ++x) {
      const auto pixel = colour(escape(picture.at(x, y), picture.depth));
      row.append(pixel.data(), pixel.size());
    }
    return row;
  }
  MSGPACK_DEFINE(picture)
};

// The set is its own mirror image.
bool mirrored(const std::vector<std::string>& rows) {
  return std::equal(rows.begin(), rows.end(), rows.rbegin());
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv, kUsage);
  Picture picture;
  picture.width = arguments.number("--width", 960, 2, 20'000);
  picture.height = arguments.number("--height", 640, 2, 20'000);
  picture.depth = arguments.number("--depth", 2000, 10, 1'000'000);
  const std::size_t processes = arguments.processes();
  const std::string file = arguments.text("--file", "mandelbrot.png");
  arguments.end();
  if (!file.ends_with(".png") && !file.ends_with(".ppm")) {
    Arguments::refuse("--file takes a name that ends with .png or .ppm");
  }

  std::vector<int> numbers;
  for (int y = 0; y < picture.height; ++y) numbers.push_back(y);
  const auto together = timed([&] {
    std::vector<std::string> rows;
    Pool pool({.processes = processes, .on_progress = progress_bar("rows")});
    for (std::string& row : pool.imap(Render{picture}, numbers)) rows.push_back(std::move(row));
    return rows;
  });
  const auto alone = timed([&] {
    std::vector<std::string> rows;
    for (int y : numbers) rows.push_back(Render{picture}(y));
    return rows;
  });

  std::ofstream out(file, std::ios::binary);
  out << (file.ends_with(".png") ? png(picture.width, together.result)
                                 : ppm(picture.width, together.result));
  out.close();
  if (!out) {
    std::cerr << "cannot write " << file << '\n';
    return EXIT_FAILURE;
  }
  std::cout << file << ": " << picture.width << " x " << picture.height << " pixels\n"
            << speed(alone.seconds, together.seconds, processes) << '\n';
  return verdict(together.result == alone.result && mirrored(together.result),
                 "the picture is its own mirror image, and one process draws the same.");
}
